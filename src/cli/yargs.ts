// The library that writes help and completes words, apart from what does without: it takes 25 ms to load.
export { default as yargs } from 'yargs';
