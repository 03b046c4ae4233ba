/** The home of the local stages. */
import { mkdir, mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { openHome, readIfThere, writePrivately } from '../../../lambdas/local/home.ts';

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'tollgate-home-'));
});

afterEach(() => rm(directory, { recursive: true }));

test('a home is made with its parents and closed to others, also when many open it at once', async () => {
  const home = path.join(directory, 'a', 'b', 'c');
  expect(await Promise.all(Array.from({ length: 8 }, () => openHome(home)))).toEqual(Array.from({ length: 8 }, () => home));
  expect((await stat(home)).mode & 0o777).toBe(0o700);
});

test('a home that is there keeps what is in it and is closed to others', async () => {
  await mkdir(path.join(directory, 'mine'), { mode: 0o755 });
  await writeFile(path.join(directory, 'mine', 'file'), 'kept');
  await openHome(path.join(directory, 'mine'));
  expect(await readFile(path.join(directory, 'mine', 'file'), 'utf8')).toBe('kept');
  expect((await stat(path.join(directory, 'mine'))).mode & 0o777).toBe(0o700);
});

test.each(['file', 'file/below'])('a home at %s, where a file stands, is refused with advice', async (name) => {
  await writeFile(path.join(directory, 'file'), 'mine');
  await expect(openHome(path.join(directory, name))).rejects.toMatchObject({
    code: 'local_stage',
    advice: expect.stringContaining('--home'),
  });
});

test('a private file is replaced whole, readable by its owner only, and leaves no draft', async () => {
  const file = path.join(directory, 'keys.json');
  expect(await readIfThere(file)).toBeUndefined();
  await writePrivately(file, 'one');
  await writePrivately(file, 'two');
  expect([await readIfThere(file), (await stat(file)).mode & 0o777, await readdir(directory)]).toEqual([
    'two',
    0o600,
    ['keys.json'],
  ]);
});
