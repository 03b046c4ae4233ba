/** Names of the two stages, in the order in which they are started. */
export const LOCAL_STAGES = ['dev', 'prod'] as const;
export type LocalStageName = (typeof LOCAL_STAGES)[number];
