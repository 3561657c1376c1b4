// Builders of images by name (`builtin:NAME`).
import type { BuiltinBuilder, BuiltinBuilders } from '../build/builtin-builder.ts';

export const dockerBuilders: BuiltinBuilders = new Map<string, BuiltinBuilder>([]);
