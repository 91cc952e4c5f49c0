import js from '@eslint/js';
import globals from 'globals';

export default [
  { ignores: ['.venv/', 'runs/', 'node_modules/'] },
  js.configs.recommended,
  {
    files: ['assets/viewer/*.js'],
    languageOptions: { globals: globals.browser },
  },
  {
    files: ['assets/viewer/tests/**/*.js', '*.config.js'],
    languageOptions: { globals: globals.node },
  },
  {
    rules: {
      eqeqeq: ['error', 'always', { null: 'ignore' }],
      'no-duplicate-imports': 'error',
      'no-shadow': 'error',
      'no-unused-expressions': ['error', { allowShortCircuit: true }],
      'no-unused-vars': ['error', { args: 'all', argsIgnorePattern: '^_' }],
      'no-var': 'error',
      'prefer-const': 'error',
    },
  },
];
