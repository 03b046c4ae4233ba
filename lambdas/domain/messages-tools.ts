/**
 * The tools of a request to Anthropic's Messages API. A tool that the app runs costs the tokens of its definition: its own
 * words stand in the body, and those that Anthropic adds have a documented size. A tool that the provider runs is charged
 * by use, or feeds the model with what it finds, and is refused by name.
 */
import { Refused, isObject, printable } from './field-checks.ts';
import { type ContentCount, readCacheControl } from './messages-content.ts';

/**
 * What the provider adds where there are tools at all, tokens: at most 804 is documented (Claude Opus 4.7, a tool forced).
 * @see https://platform.claude.com/docs/en/agents-and-tools/tool-use/overview#pricing (2026-11-24)
 */
export const TOOLS_PROMPT_TOKENS = 1_024;

/**
 * What a tool that Anthropic defines and the app runs adds, tokens: 245 for bash, 700 for the text editor, 735 and a prompt
 * of up to 499 for the computer. Newer tokenizers make up to 1.35 times as many, which is 1,666.
 * @see https://platform.claude.com/docs/en/about-claude/pricing#tool-use-pricing (2026-11-24)
 */
export const ANTHROPIC_TOOL_TOKENS = 2_048;

const CUSTOM: ReadonlySet<unknown> = new Set([undefined, null, 'custom']);
const DEFINED_BY_ANTHROPIC = /^(?:bash|text_editor|computer)_\d{8}$/;

const TOOL_FIELDS: ReadonlySet<string> = new Set([
  'allowed_callers',
  'cache_control',
  'defer_loading',
  'description',
  'display_height_px',
  'display_number',
  'display_width_px',
  'eager_input_streaming',
  'enable_zoom',
  'input_examples',
  'input_schema',
  'max_characters',
  'name',
  'strict',
  'type',
]);

/** @throws Refused */
export function readTools(tools: unknown, count: ContentCount): void {
  if (tools === undefined || tools === null) return;
  if (!Array.isArray(tools)) throw new Refused('tools', 'tools must be a list');
  if (tools.length > 0) count.addedTokens += TOOLS_PROMPT_TOKENS;
  for (const [index, tool] of (tools as readonly unknown[]).entries()) {
    const at = `tools[${index}]`;
    if (!isObject(tool)) throw new Refused(at, `${at} must be an object`);
    if (!CUSTOM.has(tool.type)) {
      if (typeof tool.type !== 'string' || !DEFINED_BY_ANTHROPIC.test(tool.type))
        throw new Refused(`${at}.type`, refusal(at, tool.type));
      count.addedTokens += ANTHROPIC_TOOL_TOKENS;
    }
    readCacheControl(tool.cache_control, `${at}.cache_control`, count);
    for (const name of Object.keys(tool)) if (!TOOL_FIELDS.has(name)) count.unlisted.add(`tools[].${printable(name)}`);
  }
}

function refusal(at: string, type: unknown): string {
  const named = typeof type === 'string' ? ` ${printable(type)}` : '';
  return (
    `${at}: a tool of type${named} is not accepted. custom, bash, text_editor and computer have a bound; tools that the ` +
    'provider runs are charged by use, and the size of any other definition is not documented'
  );
}
