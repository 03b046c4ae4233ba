/** The tools of a chat completions request as Anthropic's messages have them, and which of them the model must call. */
import { Refused, isObject } from '../field-checks.ts';
import { type Json, compact, noCounterpart, readObject, readObjects, readText, refuseOthers } from './translation-checks.ts';

const OTHER = 'Anthropic messages';
const TOOL = new Set(['type', 'function']);
const FUNCTION = new Set(['name', 'description', 'parameters', 'strict']);

/** @throws Refused for tools that are no functions */
export function toolsToMessages(tools: unknown): readonly Json[] | undefined {
  const list = readObjects(tools, 'tools');
  if (list.length === 0) return undefined;
  return list.map((tool, index) => {
    const at = `tools[${index}]`;
    if (tool.type !== 'function') throw noCounterpart(`${at}.type`, OTHER, 'only tools of type function are translated');
    refuseOthers(tool, TOOL, at, OTHER);
    const definition = readObject(tool.function, `${at}.function`) ?? {};
    refuseOthers(definition, FUNCTION, `${at}.function`, OTHER);
    const parameters = readObject(definition.parameters, `${at}.function.parameters`) ?? { properties: {} };
    return compact({
      name: readText(definition.name, `${at}.function.name`),
      description: definition.description ?? undefined,
      // Anthropic wants the type said; OpenAI takes an object for granted.
      input_schema: { type: 'object', ...parameters },
      strict: definition.strict === true ? true : undefined,
    });
  });
}

/** @throws Refused for a choice among some tools */
export function choiceToMessages(choice: unknown, parallel: unknown, hasTools: boolean): Json | undefined {
  const one = parallel === false ? { disable_parallel_tool_use: true } : {};
  if (choice === undefined || choice === null)
    return parallel === false && hasTools ? { type: 'auto', disable_parallel_tool_use: true } : undefined;
  if (choice === 'none') return { type: 'none' };
  if (choice === 'auto') return { type: 'auto', ...one };
  if (choice === 'required') return { type: 'any', ...one };
  if (isObject(choice) && choice.type === 'function') {
    const named = readObject(choice.function, 'tool_choice.function') ?? {};
    return { type: 'tool', name: readText(named.name, 'tool_choice.function.name'), ...one };
  }
  throw new Refused('tool_choice', 'tool_choice may be none, auto, required or one function for this model');
}
