/** The gateway's Lambda entry: everything is built once, when the environment starts. */
import { readGatewayEnvironment } from '../environment.ts';
import { createHandler } from '../http/lambda-entry.ts';
import { createLogger } from '../stage.ts';
import { wireGateway } from './wiring.ts';

const environment = readGatewayEnvironment(process.env);
const logger = createLogger(environment, 'gateway');
const wired = wireGateway(environment, logger);
await wired.warmUp();

/** Answers an event of the REST API with a streamed response. */
export const handler = createHandler(wired.gateway, logger);
