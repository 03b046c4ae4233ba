/**
 * What is used of the Secrets Manager client. Imported when it is needed, and by name, so that a bundle holds this much of it in a file of its
 * own.
 */
export { GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
