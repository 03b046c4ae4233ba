/** Trouble between a gateway and its database, for tests with real processes: a proxy that is slow or swallows, a held lock, load. */
import { once } from 'node:events';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, type Socket, connect, createServer } from 'node:net';
import path from 'node:path';

/** `pass`: as it comes. `slow`: each piece of a request waits. `swallow`: requests go nowhere. `lose replies`: they arrive, and nobody hears. `refuse`: no connection. */
export type ProxyMode = 'pass' | 'slow' | 'swallow' | 'lose replies' | 'refuse';

export interface DatabaseProxy {
  readonly endpoint: string;
  mode: ProxyMode;
  delayMs: number;
  stop(): Promise<void>;
}

/** A TCP proxy on a loopback port before a database. */
export async function startProxy(target: string): Promise<DatabaseProxy> {
  const { hostname, port } = new URL(target);
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    if (proxy.mode === 'refuse') {
      socket.destroy();
      return;
    }
    const upstream = connect(Number(port), hostname);
    for (const one of [socket, upstream]) {
      open.add(one);
      one.on('error', () => undefined);
      one.once('close', () => open.delete(one));
    }
    upstream.once('close', () => socket.destroy());
    // What is on its way arrives, even when nobody waits for it any longer.
    let underWay = 0;
    socket.once('close', () => {
      if (underWay === 0) upstream.destroy();
    });
    socket.on('data', (piece) => {
      if (proxy.mode === 'swallow') return;
      if (proxy.mode === 'refuse') socket.destroy();
      else if (proxy.mode === 'slow') {
        underWay += 1;
        setTimeout(() => {
          underWay -= 1;
          upstream.write(piece, () => socket.destroyed && underWay === 0 && upstream.end());
        }, proxy.delayMs);
      } else upstream.write(piece);
    });
    upstream.on('data', (piece) => {
      if (proxy.mode !== 'lose replies' && proxy.mode !== 'swallow' && !socket.destroyed) socket.write(piece);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const proxy: DatabaseProxy = {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    mode: 'pass',
    delayMs: 0,
    stop: async () => {
      for (const socket of open) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return proxy;
}

export interface DatabaseProcess {
  readonly pid: number;
  readonly port: number;
}

/** The process that serves a home, as its state file says; undefined while none is written. */
export async function databaseOf(home: string): Promise<DatabaseProcess | undefined> {
  try {
    return JSON.parse(await readFile(path.join(home, 'database.json'), 'utf8')) as DatabaseProcess;
  } catch {
    return undefined;
  }
}

/** Holds a home's lock, so that nobody starts its database. @returns how it is let go */
export async function holdLock(home: string): Promise<() => Promise<void>> {
  const file = path.join(home, 'database.lock');
  await writeFile(file, `${JSON.stringify({ pid: process.pid })}\n`, { flag: 'wx' });
  return () => rm(file, { force: true });
}

export interface Answer {
  readonly status: number;
  readonly code: string | undefined;
  readonly retryAfter: string | null;
  readonly tookMs: number;
}

/** One chat completion, as plainly as it can be asked for. */
export async function ask(baseUrl: string, key: string, body: Readonly<Record<string, unknown>>): Promise<Answer> {
  const from = performance.now();
  const response = await fetch(`${baseUrl}/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` },
    body: JSON.stringify(body),
  });
  const text = await response.text();
  let code: string | undefined;
  try {
    code = (JSON.parse(text) as { readonly error?: { readonly code?: string } }).error?.code;
  } catch {
    // A stream has no error body.
  }
  return { status: response.status, code, retryAfter: response.headers.get('retry-after'), tookMs: performance.now() - from };
}
