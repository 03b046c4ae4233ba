/**
 * Mutation tests of the domain: every operator, literal and branch of lambdas/domain is changed once, and a test must fail.
 * Only tests of the domain itself run, so that what survives is told by them and not by luck elsewhere. See docs/mutation.md.
 * @type {import('@stryker-mutator/api/core').PartialStrykerOptions}
 */
export default {
  mutate: ['lambdas/domain/**/*.ts'],
  testRunner: 'jest',
  plugins: ['@stryker-mutator/jest-runner'],
  // jest runs ES modules in a vm context.
  testRunnerNodeArgs: ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning'],
  jest: {
    configFile: 'jest.config.mjs',
    config: {
      testMatch: ['<rootDir>/test/unit/domain/**/*.test.ts', '<rootDir>/test/unit/{routing,api-keys,aws-alert-text}.test.ts'],
    },
    // Only the test files that import the mutated one are loaded for it.
    enableFindRelatedTests: true,
  },
  // TypeScript 7 has no compiler API, which Stryker would rewrite the tsconfig with; nothing here is compiled, so there is none to rewrite.
  tsconfigFile: 'none.json',
  coverageAnalysis: 'perTest',
  concurrency: 2,
  // ES modules loaded into a vm context are never freed: a fresh process now and then keeps a run from slowing down.
  maxTestRunnerReuse: 40,
  timeoutMS: 20_000,
  ignorePatterns: ['cdk.out', '.tollgate', 'console', 'bench', 'docs', 'coverage', 'reports'],
  reporters: ['clear-text', 'json', 'progress-append-only'],
  clearTextReporter: { allowColor: false, logTests: false, reportTests: false },
  jsonReporter: { fileName: 'reports/mutation/domain.json' },
  thresholds: { high: 95, low: 90, break: 90 },
};
