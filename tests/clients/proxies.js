// The real proxies, with the very files that the documents hand out: only
// addresses are replaced, and the secret is put where the file says.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { freePort, listens, start } from './parts.js';

const example = (name, ports) => {
  const text = readFileSync(new URL(`../../docs/examples/${name}`, import.meta.url), 'utf8');
  return Object.entries(ports).reduce((all, [from, to]) => {
    if (!all.includes(from)) throw new Error(`${name} names no ${from}`);
    return all.replaceAll(from, to);
  }, text);
};

// What stands behind the proxy: it answers with the request that it got.
export async function echo() {
  const behind = { requests: 0 };
  // It takes what any program might take: long headers, and bytes that are no text.
  const server = createServer({ maxHeaderSize: 1 << 20, insecureHTTPParser: true }, (request, response) => {
    behind.requests += 1;
    let length = 0;
    request.on('data', (part) => { length += part.length; });
    request.on('end', () => {
      const headers = [];
      for (let at = 0; at < request.rawHeaders.length; at += 2) headers.push([request.rawHeaders[at], request.rawHeaders[at + 1]]);
      response.setHeader('Content-Type', 'application/json');
      response.end(JSON.stringify({ method: request.method, url: request.url, headers, length }));
    });
  });
  // An upgraded connection gives back what it is sent, after who called.
  server.on('upgrade', (request, socket) => {
    behind.requests += 1;
    socket.on('error', () => {});
    socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n${request.headers['tessera-subject']};`);
    socket.pipe(socket);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  behind.port = server.address().port;
  behind.stop = () => new Promise((resolve) => { server.close(resolve); server.closeAllConnections(); });
  return behind;
}

const addresses = async (server, behind) => ({
  '127.0.0.1:8080': `127.0.0.1:${server.port}`,
  '127.0.0.1:9000': `127.0.0.1:${behind.port}`,
});

export async function nginx(server, behind, secret) {
  const folder = mkdtempSync(join(tmpdir(), 'tessera-nginx-'));
  const port = await freePort();
  writeFileSync(join(folder, 'program.conf'), example('nginx.conf', {
    ...await addresses(server, behind), '127.0.0.1:8081': `127.0.0.1:${port}`,
  }));
  writeFileSync(join(folder, 'tessera-service.conf'), `proxy_set_header Tessera-Service-Authorization "Bearer ${secret}";\n`, { mode: 0o600 });
  mkdirSync(join(folder, 'temp'));
  const temp = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((it) => `${it}_temp_path ${folder}/temp/${it};`).join(' ');
  writeFileSync(join(folder, 'nginx.conf'), `
    daemon off; master_process off; pid ${folder}/pid; error_log stderr;
    events {}
    http { access_log off; ${temp} include ${folder}/program.conf; }
  `);
  const program = await start('nginx', ['-p', folder, '-c', join(folder, 'nginx.conf'), '-e', 'stderr'], {
    env: { PATH: `${process.env.PATH}:/usr/sbin` },
    ready: () => listens(port),
  });
  return running('nginx', program, port, folder);
}

export async function caddy(server, behind, secret) {
  const folder = mkdtempSync(join(tmpdir(), 'tessera-caddy-'));
  const port = await freePort();
  writeFileSync(join(folder, 'Caddyfile'), example('Caddyfile', {
    ...await addresses(server, behind), ':8081 {': `:${port} {`,
  }));
  const program = await start('caddy', ['run', '--config', join(folder, 'Caddyfile'), '--adapter', 'caddyfile'], {
    env: { HOME: folder, TESSERA_SERVICE_SECRET: secret, CADDY_ADMIN: `unix/${folder}/admin.sock` },
    ready: () => listens(port),
  });
  return running('Caddy', program, port, folder);
}

// In front of the console, below a path.
export async function belowAPath(kind, server, port) {
  const folder = mkdtempSync(join(tmpdir(), 'tessera-path-'));
  const ports = { '127.0.0.1:8080': `127.0.0.1:${server.port}` };
  if (kind === 'Caddy') {
    writeFileSync(join(folder, 'Caddyfile'), example('below-a-path.Caddyfile', { ...ports, ':8081 {': `:${port} {` }));
    const program = await start('caddy', ['run', '--config', join(folder, 'Caddyfile'), '--adapter', 'caddyfile'], {
      env: { HOME: folder, CADDY_ADMIN: `unix/${folder}/admin.sock` },
      ready: () => listens(port),
    });
    return running(kind, program, port, folder);
  }
  let text = example('below-a-path.nginx.conf', { ...ports, '127.0.0.1:8081': `127.0.0.1:${port}` });
  if (kind !== 'nginx') text = text.replace(/proxy_pass [^;]+/, '$&/');
  const temp = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((it) => `${it}_temp_path ${folder}/temp/${it};`).join(' ');
  mkdirSync(join(folder, 'temp'));
  writeFileSync(join(folder, 'nginx.conf'), `
    daemon off; master_process off; pid ${folder}/pid; error_log stderr;
    events {}
    http { access_log off; ${temp} ${text} }
  `);
  const program = await start('nginx', ['-p', folder, '-c', join(folder, 'nginx.conf'), '-e', 'stderr'], {
    env: { PATH: `${process.env.PATH}:/usr/sbin` },
    ready: () => listens(port),
  });
  return running(kind, program, port, folder);
}

// Before several nodes, as docs/scaling.md has it: with the very file.
export async function balancer(port, nodes) {
  const folder = mkdtempSync(join(tmpdir(), 'tessera-caddy-'));
  const file = new URL('../../docs/deploy/Caddyfile', import.meta.url).pathname;
  const program = await start('caddy', ['run', '--config', file, '--adapter', 'caddyfile'], {
    env: {
      HOME: folder,
      TESSERA_HOST: `http://127.0.0.1:${port}`,
      TESSERA_NODES: nodes.map((node) => `127.0.0.1:${node.port}`).join(' '),
      CADDY_ADMIN: `unix/${folder}/admin.sock`,
    },
    ready: () => listens(port),
  });
  return running('Caddy', program, port, folder);
}

function running(name, program, port, folder) {
  const proxy = { name, port, url: `http://127.0.0.1:${port}`, program };
  proxy.stop = async () => {
    await program.stop('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  };
  return proxy;
}
