import { LOCALE } from './numbers';

const regions = new Intl.DisplayNames([LOCALE], { type: 'region' });
const FIRST_INDICATOR = 0x1f1e6;
const LETTER_A = 65;

/** The name of a country by its ISO 3166-1 alpha-2 code; the code itself where it is not known. */
export function countryName(code: string): string {
  if (code === '') return 'Unknown';
  if (!/^[A-Z]{2}$/.test(code)) return code;
  return regions.of(code) ?? code;
}

/** The flag as emoji; a globe where there is none. */
export function flag(code: string): string {
  if (!/^[A-Z]{2}$/.test(code)) return '🌐';
  const indicators = [0, 1].map((place) => FIRST_INDICATOR + code.charCodeAt(place) - LETTER_A);
  return String.fromCodePoint(...indicators);
}
