/** What the requests of OpenAI's APIs have in common: parts of messages that are no text, service tiers and kinds of tools. */
import { Refused, isObject, printable } from './field-checks.ts';
import { type MediaCount, imageInAddress, imageTokens } from './media-bounds.ts';
import { TOOLS_PROMPT_TOKENS } from './messages-tools.ts';

/** Parts without a bound, and why. */
const REFUSED_PARTS: Readonly<Record<string, string>> = {
  audio: 'audio tokens have a price of their own',
  document_url: 'the pages of a file have no bound; send its text, or its pages as images',
  file: 'the pages and the packed text of a file have no bound; send its text, or its pages as images',
  input_audio: 'audio tokens have a price of their own',
  input_file: 'the pages and the packed text of a file have no bound; send its text, or its pages as images',
  input_video: 'the frames of a video have no bound',
  video_url: 'the frames of a video have no bound',
};

const SERVICE_TIERS: ReadonlySet<unknown> = new Set(['auto', 'default', 'flex', null, undefined]);
const TOOL_TYPES: ReadonlySet<unknown> = new Set(['custom', 'function']);
/** Members of a tool, and of the object inside it in which chat completions define it. */
const TOOL_FIELDS: ReadonlySet<string> = new Set([
  'allowed_callers',
  'async',
  'custom',
  'defer_loading',
  'description',
  'format',
  'function',
  'name',
  'output_schema',
  'parameters',
  'strict',
  'type',
]);

/**
 * One part of a list of parts: an object with a type.
 * @throws Refused also for a mark in it that starts a cache write
 */
export function readPart(part: unknown, at: string): { readonly type: string; readonly part: Readonly<Record<string, unknown>> } {
  if (!isObject(part) || typeof part.type !== 'string') throw new Refused(at, `${at} must be an object with a type`);
  if (part.prompt_cache_breakpoint !== undefined && part.prompt_cache_breakpoint !== null) {
    const name = `${at}.prompt_cache_breakpoint`;
    throw new Refused(name, `${name} is not accepted: explicit cache writes are priced above the input price`);
  }
  return { type: part.type, part };
}

/** @throws Refused with the reason why a part of that type is not accepted */
export function refusePart(type: string, at: string): never {
  const reason = Object.hasOwn(REFUSED_PARTS, type) ? REFUSED_PARTS[type] : 'only text and images have a bound';
  throw new Refused(`${at}.type`, `a part of type ${printable(type)} is not accepted: ${reason}`);
}

/**
 * Counts an image by its address.
 * @throws Refused when it stands neither in its address nor on the web
 */
export function readImage(address: unknown, detail: unknown, at: string, media: MediaCount): void {
  const base64 = imageInAddress(address);
  if (base64 === undefined) {
    throw new Refused(
      at,
      `${at} must be an http(s) address, or data:image/…;base64,… of a PNG, JPEG, WEBP or GIF and nothing but base64`,
    );
  }
  media.addImage(imageTokens(detail), base64);
}

/** @throws Refused for a tier that is dearer than the price list */
export function checkServiceTier(tier: unknown): void {
  if (!SERVICE_TIERS.has(tier))
    throw new Refused('service_tier', 'service_tier may be auto, default or flex: other tiers have dearer prices');
}

/**
 * Checks the tools, and counts what a provider adds where there are some: Claude stands behind this protocol too, and adds most.
 * @throws Refused for tools that the provider runs itself
 */
export function checkTools(tools: unknown, unlisted: Set<string>, media: MediaCount): void {
  if (tools === undefined || tools === null) return;
  if (!Array.isArray(tools)) throw new Refused('tools', 'tools must be a list');
  if (tools.length > 0) media.tokens += TOOLS_PROMPT_TOKENS;
  for (const [index, tool] of (tools as readonly unknown[]).entries()) {
    if (isObject(tool) && TOOL_TYPES.has(tool.type)) {
      noteUnlisted(tool, 'tools[]', unlisted);
      for (const inner of ['function', 'custom'] as const) noteUnlisted(tool[inner], `tools[].${inner}`, unlisted);
      continue;
    }
    const what =
      isObject(tool) && typeof tool.type === 'string' ? `a tool of type ${printable(tool.type)} is not accepted. ` : '';
    const at = `tools[${index}].type`;
    throw new Refused(at, `${what}${at} may be function or custom: tools that the provider runs are charged by use`);
  }
}

function noteUnlisted(tool: unknown, at: string, unlisted: Set<string>): void {
  if (!isObject(tool)) return;
  for (const name of Object.keys(tool)) if (!TOOL_FIELDS.has(name)) unlisted.add(`${at}.${printable(name)}`);
}
