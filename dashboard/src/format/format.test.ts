import { describe, expect, it } from 'vitest';
import { dateLabels, periodLabel } from './dates';
import { change, duration, percent, shortCount } from './numbers';
import { countryName, flag } from './places';

describe('numbers', () => {
  it('shows counts in full until they get long', () => {
    expect([0, 9_999, 12_345, 1_500_000].map(shortCount)).toEqual(['0', '9,999', '12.3K', '1.5M']);
  });

  it('says durations as people do', () => {
    expect([0, 59.4, 59.6, 60, 185, 3_599.6, 7_384].map(duration)).toEqual([
      '0s',
      '59s',
      '1m 00s',
      '1m 00s',
      '3m 05s',
      '1h 00m',
      '2h 03m',
    ]);
  });

  it('compares with the period before', () => {
    expect(change(150, 100)).toBe(50);
    expect(change(50, 100)).toBe(-50);
    expect(change(0, 0)).toBe(0);
    expect(change(7, 0)).toBeNull();
    expect(percent(46.42)).toBe('46.4%');
  });
});

describe('places', () => {
  it('names countries and gives their flags', () => {
    expect(countryName('DE')).toBe('Germany');
    expect(flag('DE')).toBe('🇩🇪');
  });

  it('copes with what is no country code', () => {
    expect(['', 'x', 'Deutschland', 'ZZ'].map(countryName)).toEqual(['Unknown', 'x', 'Deutschland', 'Unknown Region']);
    expect(['', 'x', 'Deutschland'].map(flag)).toEqual(['🌐', '🌐', '🌐']);
  });
});

describe('dates', () => {
  it("are those of the project's time zone", () => {
    const labels = dateLabels('day', 'America/New_York');
    expect(labels.short('2026-03-08T00:00:00-05:00')).toBe('Mar 8');
    expect(dateLabels('hour', 'Asia/Kolkata').short('2026-03-08T00:00:00Z')).toBe('05:30');
    expect(dateLabels('week', 'UTC').long('2026-03-02T00:00:00Z')).toBe('Week of Mar 2, 2026');
  });

  it('name the last day of a period, not the first after it', () => {
    const label = periodLabel('2026-03-01T00:00:00+01:00', '2026-03-04T00:00:00+01:00', 'Europe/Berlin');
    // Formatters put thin spaces of their own around the dash.
    expect(label.replace(/\s/g, ' ')).toBe('Mar 1 – 3, 2026');
  });
});
