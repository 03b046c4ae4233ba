/** What is used of the SNS client. Imported when it is needed, and by name, so that a bundle holds this much of it in a file of its own. */
export { PublishCommand, SNSClient } from '@aws-sdk/client-sns';
