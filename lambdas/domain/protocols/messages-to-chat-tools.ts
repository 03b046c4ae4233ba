/** The tools of a messages request as OpenAI's chat completions have them, and which of them the model must call. */
import { Refused } from '../field-checks.ts';
import { type Json, compact, noCounterpart, readObject, readObjects, readText, refuseOthers } from './translation-checks.ts';

const OTHER = 'OpenAI chat completions';
/** Dropped: `cache_control` (OpenAI caches by itself) and `eager_input_streaming` (how a stream is cut). */
const TOOL = new Set(['type', 'name', 'description', 'input_schema', 'strict', 'cache_control', 'eager_input_streaming']);
const CHOICE = new Set(['type', 'name', 'disable_parallel_tool_use']);
const CHOICES: ReadonlyMap<unknown, string> = new Map([
  ['auto', 'auto'],
  ['any', 'required'],
  ['none', 'none'],
]);

/** @throws Refused for tools that the provider itself would run */
export function toolsToChat(tools: unknown): readonly Json[] | undefined {
  const list = readObjects(tools, 'tools');
  if (list.length === 0) return undefined;
  return list.map((tool, index) => {
    const at = `tools[${index}]`;
    if (tool.type !== undefined && tool.type !== null && tool.type !== 'custom')
      throw noCounterpart(`${at}.type`, OTHER, 'only tools that you run yourself are translated');
    refuseOthers(meaningful(tool), TOOL, at, OTHER);
    const definition = compact({
      name: readText(tool.name, `${at}.name`),
      description: tool.description ?? undefined,
      parameters: readObject(tool.input_schema, `${at}.input_schema`),
      strict: tool.strict === true ? true : undefined,
    });
    return { type: 'function', function: definition };
  });
}

/** `tool_choice` and `parallel_tool_calls`. @throws Refused for a choice of another kind */
export function choiceToChat(value: unknown): Json {
  const choice = readObject(value, 'tool_choice');
  if (choice === undefined) return {};
  refuseOthers(choice, CHOICE, 'tool_choice', OTHER);
  const parallel = choice.disable_parallel_tool_use === true ? { parallel_tool_calls: false } : {};
  if (choice.type === 'tool') {
    const name = readText(choice.name, 'tool_choice.name');
    return { tool_choice: { type: 'function', function: { name } }, ...parallel };
  }
  const said = CHOICES.get(choice.type);
  if (said === undefined) throw new Refused('tool_choice.type', 'tool_choice.type may be auto, any, none or tool for this model');
  return { tool_choice: said, ...parallel };
}

/** Without what says nothing: a tool that is loaded at once and called by the model directly is any tool. */
function meaningful(tool: Json): Json {
  const callers = tool.allowed_callers;
  const direct = Array.isArray(callers) && callers.length === 1 && callers[0] === 'direct';
  return Object.fromEntries(
    Object.entries(tool).filter(
      ([name, value]) => !(name === 'defer_loading' && value === false) && !(name === 'allowed_callers' && direct),
    ),
  );
}
