'use strict';
// Starts passgate on GitHub Actions and Azure Pipelines: finds the binary of this platform, proves it, hands the inputs
// over in its environment, and ends as it ends. Everything else is the binary's own business. Needs nothing but node.

const { spawn } = require('node:child_process');
const crypto = require('node:crypto');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const ROOT = path.dirname(__dirname);
const OS = { linux: 'linux', darwin: 'macos', win32: 'windows' }[process.platform] ?? process.platform;
const PLATFORM = `${OS}-${process.arch}`;
const SUFFIX = OS === 'windows' ? '.exe' : '';
const TRIES = 3;

const say = (text) => process.stderr.write(`passgate: ${text}\n`);
const read = (...parts) => JSON.parse(fs.readFileSync(path.join(...parts), 'utf8'));

// Inputs by the names of the task; GitHub keeps the hyphens of its own names, Azure has none. What is empty was not given.
function environment(inputs) {
  const env = { ...process.env };
  let command = '';
  for (const { name } of inputs) {
    const kebab = name.replace(/[A-Z]/g, (letter) => `-${letter}`).toUpperCase();
    const snake = kebab.replaceAll('-', '_');
    let value = '';
    for (const key of new Set([`INPUT_${kebab}`, `INPUT_${snake}`, `INPUT_${name.toUpperCase()}`])) {
      value ||= (env[key] ?? '').replace(/\r\n?/g, '\n').trim();
      delete env[key];
    }
    if (name === 'command') command = value;
    else if (value) env[`PASSGATE_${snake}`] = value;
  }
  return { command, env };
}

function hash(file) {
  return crypto.createHash('sha256').update(fs.readFileSync(file)).digest('hex');
}

// A binary that was built in this checkout, the newest; nothing can be known of it but where it lies.
function built() {
  const target = path.join(ROOT, 'target');
  const folders = fs.existsSync(target) ? [target, ...fs.readdirSync(target).map((name) => path.join(target, name))] : [];
  const files = folders.flatMap((folder) => ['dist', 'release', 'debug'].map((profile) => path.join(folder, profile, `passgate${SUFFIX}`)));
  const found = files.filter((file) => fs.statSync(file, { throwIfNoEntry: false })?.isFile());
  return found.sort((a, b) => fs.statSync(b).mtimeMs - fs.statSync(a).mtimeMs)[0];
}

async function download(url) {
  for (let tries = 1; ; tries += 1) {
    try {
      const answer = await fetch(url, { signal: AbortSignal.timeout(120_000) });
      if (answer.ok) return Buffer.from(await answer.arrayBuffer());
      throw Object.assign(new Error(`the server answers ${answer.status}`), { final: answer.status < 500 && answer.status !== 429 });
    } catch (error) {
      if (error.final || tries === TRIES) {
        throw new Error(`cannot download ${url}: ${error.cause?.message ?? error.message}; a release tag has the binary in dist/`);
      }
      await new Promise((done) => setTimeout(done, 1000 * tries));
    }
  }
}

// The release asset, kept where the host keeps tools. A file that was kept is proven again each time.
async function kept(version, { url, sha256 }) {
  const cache = process.env.RUNNER_TOOL_CACHE || process.env.AGENT_TOOLSDIRECTORY || path.join(os.homedir(), '.cache');
  const folder = path.join(cache, 'passgate', version, process.arch);
  const file = path.join(folder, `passgate${SUFFIX}`);
  if (fs.existsSync(file) && hash(file) === sha256) return file;
  const content = await download(url);
  const found = crypto.createHash('sha256').update(content).digest('hex');
  if (found !== sha256) throw new Error(`${url} has the SHA-256 ${found}, and checksums.json wants ${sha256}`);
  fs.mkdirSync(folder, { recursive: true });
  const draft = path.join(folder, `.${crypto.randomUUID()}`);
  fs.writeFileSync(draft, content, { mode: 0o755 });
  fs.renameSync(draft, file);
  return file;
}

async function find() {
  const { version, platforms } = read(__dirname, 'checksums.json');
  const known = Object.hasOwn(platforms, PLATFORM) ? platforms[PLATFORM] : undefined;
  const own = path.join(__dirname, `passgate-${PLATFORM}${SUFFIX}`);
  if (!known) {
    if (fs.existsSync(own)) throw new Error(`${own} has no SHA-256 in checksums.json`);
    const file = built();
    if (!file) throw new Error(`there is no passgate for ${PLATFORM}: use a release tag, or build it: cargo build --release`);
    say(`running ${file}, built in this checkout: no SHA-256 is known of it`);
    return file;
  }
  if (!/^[0-9a-f]{64}$/.test(known.sha256)) throw new Error(`checksums.json has no SHA-256 for ${PLATFORM}`);
  if (!fs.existsSync(own)) return kept(version, known);
  const found = hash(own);
  if (found !== known.sha256) throw new Error(`${own} has the SHA-256 ${found}, and checksums.json wants ${known.sha256}`);
  return own;
}

// A VSIX has no file modes.
function executable(file) {
  try {
    fs.accessSync(file, fs.constants.X_OK);
  } catch {
    fs.chmodSync(file, 0o755);
  }
  return file;
}

async function main() {
  const { command, env } = environment(read(ROOT, 'task.json').inputs);
  if (!/^[a-z][a-z-]*$/.test(command)) throw new Error('the input `command` names no command: package, release, mark and so on');
  const file = executable(await find());
  // Before the program can be heard of: a signal that came first would end the launcher and leave the program alone.
  let child;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child = spawn(file, [command], { stdio: 'inherit', env, windowsHide: true });
  return new Promise((done, fail) => {
    child.on('error', fail);
    child.on('exit', (code, signal) => done(code ?? 128 + os.constants.signals[signal]));
  });
}

main().then(
  (code) => { process.exitCode = code; },
  (error) => { say(error.message); process.exitCode = 1; },
);
