/**
 * The policy room: a stage's file in, the domain's policy out. It loads YAML, the schema and the price catalogue, so the
 * functions on AWS import `parameters.ts` alone.
 */
export { type LoadOptions, type LoadedPolicy, loadPolicy, parsePolicyFile } from './load.ts';
export { PolicyError, type PolicyProblem, formatProblem } from './problems.ts';
export { policyJsonSchema, policyJsonSchemaText } from './json-schema.ts';
export { NOT_ENFORCED } from './not-enforced.ts';
export { type PolicyFile, policySchema } from './schema.ts';
export { type SplitResult, type StageFile, splitFragment } from './split.ts';
export { CATALOGUE_SOURCE } from './catalogue.ts';
export {
  IncompletePolicyError,
  ParameterTooLargeError,
  type PolicyParameter,
  fromParameters,
  parameterRoot,
  toParameters,
} from './parameters.ts';
export { DecodeError } from './decode.ts';
