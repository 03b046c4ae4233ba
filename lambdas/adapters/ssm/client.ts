/** What is used of the SSM client. Imported when it is needed, and by name, so that a bundle holds this much of it in a file of its own. */
export { GetParameterCommand, GetParametersByPathCommand, SSMClient } from '@aws-sdk/client-ssm';
