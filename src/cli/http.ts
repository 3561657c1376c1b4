// How HTTP is spoken, from the settings.
import { join } from 'node:path';
import { certificatesFile, type DownloadSettings, type HttpSettings } from '../fetch/http-settings.ts';
import { systemConfDir } from '../util/user-dirs.ts';
import type { Config } from './config.ts';
import { say } from './output.ts';

export function downloadSettings(config: Config): DownloadSettings {
  const env = process.env;
  const connectTimeout = config.int('connect-timeout');
  return {
    attempts: config.int('download-attempts'),
    retryDelayMs: 250,
    connectTimeoutMs: (connectTimeout === 0 ? 15 : connectTimeout) * 1000,
    stalledTimeoutMs: config.int('stalled-download-timeout') * 1000,
    maxConnections: config.int('http-connections'),
    netrcFile: config.string('netrc-file') || join(systemConfDir(env), 'netrc'),
    caFile: config.string('ssl-cert-file') || certificatesFile(env),
    userAgentSuffix: config.string('user-agent-suffix'),
  };
}

/** @param warn told what goes wrong and is tried again */
export function httpSettings(
  config: Config,
  warn = (message: string): void => say(`warning: ${message}`),
): HttpSettings {
  return { ...downloadSettings(config), warn };
}
