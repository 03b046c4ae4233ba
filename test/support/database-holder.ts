/** A process that uses a home's database until its input ends: `node database-holder.ts HOME TABLE`. Prints the endpoint as JSON. */
import { startDatabase } from '../../lambdas/local/embedded-database.ts';

const [home = '', table = ''] = process.argv.slice(2);
const database = await startDatabase({ home, tables: [table] });
process.stdout.write(`${JSON.stringify({ endpoint: database.endpoint, kind: database.kind })}\n`);
process.stdin.on('end', () => void database.stop().then(() => process.exit(0)));
process.stdin.resume();
