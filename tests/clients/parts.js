// Programs that the tests start, ports that are free, and waiting for what must
// come, without a fixed pause anywhere.
import { spawn } from 'node:child_process';
import { request } from 'node:http';
import { connect, createServer } from 'node:net';

const running = new Set();
const programs = [];
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
  // A panic that was turned into an answer, or that ended a task nobody waits for, fails the run all the same.
  for (const program of programs) {
    const panic = `${program.out}${program.log}`.match(/.*panicked at[^]{0,500}/);
    if (!panic) continue;
    console.error(`${program.name} panicked: ${panic[0]}`);
    process.exitCode = 1;
  }
});
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(name, () => process.exit(1));

// A port that nobody listens on at this moment.
export async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

// Asks again and again until there is an answer that is true.
export async function until(what, ask, seconds = 30, pause = 25) {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    const answer = await ask();
    if (answer) return answer;
    if (Date.now() > end) throw new Error(`not within ${seconds} s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}

// Whether something takes connections there.
export const listens = (port) => new Promise((resolve) => {
  const socket = connect(port, '127.0.0.1');
  socket.on('connect', () => { socket.destroy(); resolve(true); });
  socket.on('error', () => resolve(false));
});

// Starts a program and waits until it is ready: until `ready(program)` is true.
export async function start(command, args, { env = {}, ready, ...options } = {}) {
  const child = spawn(command, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env.PATH, HOME: process.env.HOME ?? '/', ...env },
    ...options,
  });
  running.add(child);
  const program = { name: command, child, out: '', log: '', ended: false };
  programs.push(program);
  child.stdout.on('data', (text) => { program.out += text; });
  child.stderr.on('data', (text) => { program.log += text; });
  child.on('error', (error) => { program.ended = true; program.log += error; });
  const over = new Promise((resolve) => child.on('close', resolve));
  child.on('close', () => { program.ended = true; running.delete(child); });
  program.signal = (name) => child.kill(name);
  program.stop = async (name = 'SIGTERM') => {
    if (program.ended) return;
    child.kill(name);
    const late = setTimeout(() => child.kill('SIGKILL'), 5000);
    await over;
    clearTimeout(late);
  };
  await until(`${command} ready`, async () => {
    if (program.ended) throw new Error(`${command} ended: ${program.out}${program.log}`);
    return ready(program);
  }).catch(async (error) => {
    await program.stop('SIGKILL');
    throw new Error(`${error.message}\n${program.out}${program.log}`);
  });
  return program;
}

// Runs a program to its end.
export async function run(command, args, { env = {}, input = '' } = {}) {
  const child = spawn(command, args, { env: { PATH: process.env.PATH, HOME: process.env.HOME ?? '/', ...env } });
  running.add(child);
  const program = { name: command, out: '', log: '' };
  programs.push(program);
  let out = '';
  let log = '';
  child.stdout.on('data', (text) => { out += text; });
  child.stderr.on('data', (text) => { log += text; program.log += text; });
  child.stdin.on('error', () => {});
  child.stdin.end(input);
  const code = await new Promise((resolve, reject) => { child.on('close', resolve); child.on('error', reject); });
  running.delete(child);
  if (code !== 0) throw new Error(`${command} ${args[0] ?? ''} ended with ${code}: ${out}${log}`);
  return out;
}

// One request on a connection of its own. `headers` may hold lists, for headers
// that are sent more than once; `from` is the address that it comes from.
export function send(url, { method = 'GET', headers = {}, body, from } = {}) {
  return new Promise((resolve, reject) => {
    const asked = request(url, { method, headers, localAddress: from, agent: false, timeout: 20_000 }, (answer) => {
      let text = '';
      answer.setEncoding('utf8');
      answer.on('data', (part) => { text += part; });
      answer.on('error', reject);
      answer.on('end', () => resolve({ status: answer.statusCode, headers: answer.headers, text, json: () => JSON.parse(text) }));
    });
    asked.on('timeout', () => asked.destroy(new Error(`${method} ${url}: no answer`)));
    asked.on('error', reject);
    asked.end(body);
  });
}

// Bytes as they are, for what no client would send. Gives the status, 0 where
// the connection was closed without one.
export function sendRaw(port, bytes) {
  return new Promise((resolve, reject) => {
    let answer = '';
    const socket = connect(port, '127.0.0.1');
    socket.setTimeout(20_000, () => socket.destroy(new Error('no answer')));
    socket.on('connect', () => socket.write(bytes));
    socket.on('data', (part) => {
      answer += part.toString('latin1');
      if (answer.includes('\r\n\r\n')) socket.end();
    });
    socket.on('error', (error) => (error.code === 'ECONNRESET' || error.code === 'EPIPE' ? undefined : reject(error)));
    socket.on('close', () => resolve({ status: Number(answer.match(/^HTTP\/1\.\d (\d+)/)?.[1] ?? 0), answer }));
  });
}
