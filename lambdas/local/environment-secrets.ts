/** Provider credentials of a local stage: environment variables. The secret `openai` is `OPENAI_API_KEY`. */
import type { SecretSource } from '../application/ports.ts';

/** The variable that holds a secret: its name in capitals, anything but letters and digits as `_`, and `_API_KEY` behind it. */
export function credentialVariable(secretName: string): string {
  return `${secretName.toUpperCase().replaceAll(/[^A-Z0-9]/g, '_')}_API_KEY`;
}

export class EnvironmentSecrets implements SecretSource {
  private readonly variables: Readonly<Record<string, string | undefined>>;

  /** @param variables such as `process.env` */
  constructor(variables: Readonly<Record<string, string | undefined>>) {
    this.variables = variables;
  }

  async find(name: string): Promise<string | undefined> {
    const value = this.variables[credentialVariable(name)]?.trim();
    return value === undefined || value === '' ? undefined : value;
  }
}
