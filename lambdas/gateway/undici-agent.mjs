/**
 * What the bundle takes of undici: its connection pool. The package's front door also loads WebSocket, fetch, caches and mocks, half a
 * megabyte that every cold start would read. `lib/constructs/stage-function.ts` puts this file in its place.
 */
export { default as Agent } from '../../node_modules/undici/lib/dispatcher/agent.js';
