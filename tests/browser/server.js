// Starts the real program on a fresh data directory and a free port.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const program = process.env.TESSERA_PROGRAM ?? new URL('../../target/debug/tessera', import.meta.url).pathname;

export async function start(args = []) {
  const folder = mkdtempSync(join(tmpdir(), 'tessera-browser-'));
  const child = spawn(program, ['serve', '--listen', '127.0.0.1:0', '--data-dir', folder, '--log', 'trace', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const server = { folder, log: '', url: '', setup: '', demo: '' };
  child.stderr.on('data', (text) => { server.log += text; });
  await new Promise((resolve, reject) => {
    let out = '';
    const wanted = args.includes('--demo') ? /demo: sign in at .*\n[^]*listens on/ : /Set up .*\n/;
    child.stdout.on('data', (text) => {
      out += text;
      server.url = out.match(/listens on (\S+)/)?.[1] ?? '';
      server.setup = out.match(/owner at (\S+)/)?.[1] ?? '';
      server.demo = out.match(/demo: .*/)?.[0] ?? '';
      if (wanted.test(out) && server.url) resolve();
    });
    child.on('exit', (code) => reject(new Error(`ended with ${code}: ${server.log}`)));
    setTimeout(() => reject(new Error(`did not start: ${out} ${server.log}`)), 20_000).unref();
  });
  server.stop = async () => {
    const ended = new Promise((resolve) => child.on('exit', resolve));
    child.removeAllListeners('exit');
    child.on('exit', () => {});
    child.kill('SIGTERM');
    await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, 5000))]);
    child.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
    // A panic that was turned into an answer, or that ended a task nobody waits for, is a fault all the same.
    const panics = server.log.match(/.*panicked at[^]{0,500}/);
    if (panics) throw new Error(`the program panicked: ${panics[0]}`);
  };
  // Every file of the data directory, as bytes.
  server.files = () => readdirSync(folder).map((name) => join(folder, name)).filter((path) => statSync(path).isFile()).map((path) => readFileSync(path));
  return server;
}
