/**
 * How a handler becomes the files of a function: one minified ES module that is read at every start, and beside it, in `chunks`,
 * what is imported when it is needed. CDK's NodejsFunction can write one file only, so the bundler is called here, in this process.
 */
import { join } from 'node:path';
import { type BuildOptions, type Metafile, buildSync } from 'esbuild';

const ROOT = join(import.meta.dirname, '..');

/** The file of a bundle that Lambda loads. */
export const ENTRY_FILE = 'index.mjs';

/**
 * No package is external: the SDK inside the runtime is older, and reading it from there is slower than from a minified bundle.
 */
const OPTIONS = {
  absWorkingDir: ROOT,
  entryNames: 'index',
  chunkNames: 'chunks/[name]-[hash]',
  outExtension: { '.js': '.mjs' },
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node24',
  minify: true,
  sourcemap: true,
  sourcesContent: false,
  mainFields: ['module', 'main'],
  // Two more HTTP parsers of undici, which it loads by an environment variable that we do not set (150 KB) and on processors
  // without SIMD, which Lambda has none of (72 KB).
  external: ['../milo/*', '../llhttp/llhttp-wasm.js'],
  alias: { undici: './lambdas/gateway/undici-agent.mjs' },
  // Gives CommonJS packages the `require` that an ES module lacks.
  banner: { js: "import{createRequire as __createRequire}from'node:module';const require=__createRequire(import.meta.url);" },
  metafile: true,
  logLevel: 'warning',
} as const satisfies BuildOptions;

/** A file of a bundle. */
export interface BundledFile {
  /** From the bundle's folder. */
  readonly path: string;
  /** Minified, without its source map. */
  readonly bytes: number;
  /** What it was made of, from the project's root. */
  readonly sources: readonly string[];
}

/** What a bundle consists of. */
export interface Bundle {
  /** Read and run before the handler can be called: the entry and everything that it imports statically. */
  readonly eager: readonly BundledFile[];
  /** Read when an `import()` asks for it. */
  readonly later: readonly BundledFile[];
}

/** A handler: its file from the project's root, or a text that stands in a folder of the project (a benchmark's). */
export type HandlerSource = string | { readonly text: string; readonly folder: string };

/**
 * Bundles a handler into a folder.
 * @throws the bundler's error, with places, when something does not resolve or parse
 */
export function bundleHandler(source: HandlerSource, folder: string): Bundle {
  const entry =
    typeof source === 'string'
      ? { entryPoints: [source] }
      : {
          stdin: {
            contents: source.text,
            loader: 'ts' as const,
            resolveDir: join(ROOT, source.folder),
            sourcefile: 'handler.ts',
          },
        };
  const { metafile } = buildSync({ ...OPTIONS, ...entry, outdir: folder });
  return filesOf(metafile);
}

function filesOf({ outputs }: Metafile): Bundle {
  const modules = Object.keys(outputs).filter((path) => path.endsWith('.mjs'));
  const entry = modules.find((path) => path.endsWith(`/${ENTRY_FILE}`));
  const eager = new Set<string>();
  const read = (path: string): void => {
    if (eager.has(path)) return;
    eager.add(path);
    for (const { path: imported, kind, external } of outputs[path]?.imports ?? []) {
      if (kind !== 'dynamic-import' && external !== true) read(imported);
    }
  };
  if (entry !== undefined) read(entry);
  const folder = entry?.slice(0, -ENTRY_FILE.length) ?? '';
  const file = (path: string): BundledFile => ({
    path: path.slice(folder.length),
    bytes: outputs[path]?.bytes ?? 0,
    sources: Object.keys(outputs[path]?.inputs ?? {}),
  });
  return { eager: [...eager].map(file), later: modules.filter((path) => !eager.has(path)).map(file) };
}
