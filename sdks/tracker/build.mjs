// The scripts the gateway serves: OpenPanel's tracker and recorder as their npm package has them built, the first with
// our reading of the script tag before it; each also compressed, because that is done once here and not per request.
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';

const here = dirname(fileURLToPath(import.meta.url));
const packages = join(here, 'node_modules');
const dist = join(here, 'dist');
const read = (...path) => readFileSync(join(...path), 'utf8');

/** Lines without their indentation and comments: all the shortening that a few lines need. */
function shorten(source) {
  const lines = source.split('\n').map((line) => line.trim());
  return lines.filter((line) => line && !line.startsWith('//')).join('\n');
}

function licence(name, file = join(packages, name, 'LICENSE')) {
  const { version, license } = JSON.parse(read(packages, name, 'package.json'));
  return { title: `${name} ${version} (${license})`, text: read(file) };
}

/** A gateway may be reading: a file is there wholly or not at all, and the plain one after its compressed forms. */
function put(name, bytes) {
  writeFileSync(join(dist, `.${name}`), bytes);
  renameSync(join(dist, `.${name}`), join(dist, name));
}

function write(name, source) {
  const bytes = Buffer.from(source);
  const params = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length };
  put(`${name}.br`, brotliCompressSync(bytes, { params }));
  put(`${name}.gz`, gzipSync(bytes, { level: 9 }));
  put(name, bytes);
}

const built = join(packages, '@openpanel', 'web', 'dist', 'src');
const tracker = read(built, 'tracker.global.js').trim();
const recorder = read(built, 'replay.global.js').trim();
const tag = shorten(read(here, 'src', 'tag.js')).replace(/;$/, '');
const parts = [licence('@openpanel/web'), licence('@openpanel/sdk')];
const recorded = [...parts, licence('rrweb', join(here, 'licences', 'rrweb.txt'))];
const banner = (of) => `/*! ${of.map(({ title }) => title).join(', ')}; licences: op1.LICENSE.txt */\n`;

mkdirSync(dist, { recursive: true });
put('op1.LICENSE.txt', recorded.map(({ title, text }) => `${title}\n\n${text.trim()}\n`).join('\n\n'));
write('op1-replay.js', `${banner(recorded)}${recorder}\n`);
// Last, so that whoever finds it finds all of them.
write('op1.js', `${banner(parts)}if((${tag})(window,document)){\n${tracker}\n}\n`);
