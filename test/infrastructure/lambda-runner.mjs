/**
 * Stands in for the Lambda runtime: loads a bundled handler, takes invocations as JSON lines on stdin, and tells each answer's head, chunks
 * and end as they happen, in lines that begin with `@@`. Everything else on stdout is what the function logs.
 */
import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';

const [bundle, deadlineMs = '30000'] = process.argv.slice(2);
const tell = (message) => process.stdout.write(`@@${JSON.stringify(message)}\n`);

class ResponseStream extends Writable {
  constructor(id) {
    super({ decodeStrings: true });
    this.id = id;
  }

  _write(chunk, _encoding, done) {
    if (chunk.length > 0) tell({ id: this.id, type: 'chunk', text: chunk.toString('utf8') });
    done();
  }
}

globalThis.awslambda = {
  streamifyResponse: (handler) => Object.assign(handler, { streams: true }),
  HttpResponseStream: {
    from(stream, head) {
      tell({ id: stream.id, type: 'head', ...head });
      return stream;
    },
  },
};

const { handler } = await import(bundle);
tell({ type: 'ready' });

async function invoke({ id, event }) {
  const endsAt = Date.now() + Number(deadlineMs);
  const context = {
    awsRequestId: `lambda-${id}`,
    functionName: 'bundled',
    functionVersion: '$LATEST',
    invokedFunctionArn: 'arn:aws:lambda:eu-central-1:123456789012:function:bundled',
    memoryLimitInMB: '256',
    getRemainingTimeInMillis: () => endsAt - Date.now(),
  };
  try {
    const result = handler.streams ? await handler(event, new ResponseStream(id), context) : await handler(event, context);
    tell({ id, type: 'end', result });
  } catch (error) {
    tell({ id, type: 'error', message: String(error) });
  }
}

for await (const line of createInterface({ input: process.stdin })) void invoke(JSON.parse(line));
process.exit(0);
