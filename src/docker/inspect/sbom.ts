// Bills of materials of an image: SPDX 2.3 and CycloneDX 1.6, as JSON. The same image gives the same bytes: names and
// times come from the image, not from the run.
// @see https://spdx.github.io/spdx-spec/v2.3/, https://cyclonedx.org/docs/1.6/json/
import { createHash } from 'node:crypto';
import type { Component } from './components.ts';

export type SbomFormat = 'spdx' | 'cyclonedx';

export interface SbomSubject {
  /** Text: what the image is called. */
  readonly name: string;
  /** `sha256:…` of its configuration: its id. */
  readonly id: string;
  /** When it was made, ISO 8601; undefined where it does not say. */
  readonly created: string | undefined;
  /** Version of this program. */
  readonly toolVersion: string;
  readonly components: readonly Component[];
}

/** What the descriptor of a bill says that it is. */
export const SBOM_TYPES: Readonly<Record<SbomFormat, string>> = {
  spdx: 'application/spdx+json',
  cyclonedx: 'application/vnd.cyclonedx+json',
};

const EPOCH = '1970-01-01T00:00:00Z';

/** To the second, in UTC, as both formats want it. */
function timestamp(created: string | undefined): string {
  const time = created === undefined ? Number.NaN : Date.parse(created);
  return Number.isNaN(time) ? EPOCH : new Date(time).toISOString().replace(/\.\d+Z$/, 'Z');
}

/** SPDX takes letters, digits, dots and dashes only. */
function spdxId(path: string): string {
  return `SPDXRef-${path.slice(path.lastIndexOf('/') + 1).replace(/[^A-Za-z0-9.-]/g, '-')}`;
}

const IMAGE_ID = 'SPDXRef-Image';

function spdxPackage(component: Component): object {
  const { path, name, version, narHash, deriver, sources } = component;
  const facts = [
    `store path ${path}`,
    ...(narHash === undefined ? [] : [`NAR hash ${narHash}`]),
    ...(deriver === undefined ? [] : [`derivation ${deriver}`]),
  ];
  return {
    SPDXID: spdxId(path),
    name,
    ...(version === '' ? {} : { versionInfo: version }),
    downloadLocation: sources[0] ?? 'NOASSERTION',
    filesAnalyzed: false,
    licenseConcluded: 'NOASSERTION',
    licenseDeclared: 'NOASSERTION',
    copyrightText: 'NOASSERTION',
    comment: facts.join('\n'),
    externalRefs: [{ referenceCategory: 'PACKAGE-MANAGER', referenceType: 'purl', referenceLocator: component.purl }],
  };
}

function spdxDocument(subject: SbomSubject): object {
  const { name, id, components } = subject;
  const digest = id.replace(/^sha256:/, '');
  const relate = (from: string, relationshipType: string, to: string): object => ({
    spdxElementId: from,
    relationshipType,
    relatedSpdxElement: to,
  });
  return {
    spdxVersion: 'SPDX-2.3',
    dataLicense: 'CC0-1.0',
    SPDXID: 'SPDXRef-DOCUMENT',
    name,
    documentNamespace: `urn:tsnix:sbom:${encodeURIComponent(name)}:${digest}`,
    creationInfo: { created: timestamp(subject.created), creators: [`Tool: tsnix-${subject.toolVersion}`] },
    packages: [
      {
        SPDXID: IMAGE_ID,
        name,
        versionInfo: id,
        downloadLocation: 'NOASSERTION',
        filesAnalyzed: false,
        licenseConcluded: 'NOASSERTION',
        licenseDeclared: 'NOASSERTION',
        copyrightText: 'NOASSERTION',
        primaryPackagePurpose: 'CONTAINER',
        checksums: [{ algorithm: 'SHA256', checksumValue: digest }],
      },
      ...components.map(spdxPackage),
    ],
    relationships: [
      relate('SPDXRef-DOCUMENT', 'DESCRIBES', IMAGE_ID),
      ...components.map(({ path }) => relate(IMAGE_ID, 'CONTAINS', spdxId(path))),
      ...components.flatMap(({ path, references }) =>
        references.map((reference) => relate(spdxId(path), 'DEPENDS_ON', spdxId(reference))),
      ),
    ],
  };
}

/** A UUID (version 8) that only depends on `text`. */
function uuidOf(text: string): string {
  const hex = createHash('sha256').update(text).digest('hex');
  const variant = ((parseInt(hex[16]!, 16) & 3) | 8).toString(16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

function cycloneDxComponent({ path, name, version, purl, narHash, deriver, sources }: Component): object {
  const properties = [
    { name: 'nix:output_path', value: path },
    ...(deriver === undefined ? [] : [{ name: 'nix:drv_path', value: deriver }]),
    ...(narHash === undefined ? [] : [{ name: 'nix:nar_hash', value: narHash }]),
  ];
  return {
    type: 'library',
    'bom-ref': path,
    name,
    ...(version === '' ? {} : { version }),
    purl,
    properties,
    ...(sources.length === 0 ? {} : { externalReferences: sources.map((url) => ({ type: 'distribution', url })) }),
  };
}

function cycloneDxDocument(subject: SbomSubject): object {
  const { name, id, components } = subject;
  return {
    $schema: 'http://cyclonedx.org/schema/bom-1.6.schema.json',
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    serialNumber: `urn:uuid:${uuidOf(`${name} ${id}`)}`,
    version: 1,
    metadata: {
      timestamp: timestamp(subject.created),
      tools: { components: [{ type: 'application', name: 'tsnix', version: subject.toolVersion }] },
      component: {
        type: 'container',
        'bom-ref': 'image',
        name,
        version: id,
        hashes: [{ alg: 'SHA-256', content: id.replace(/^sha256:/, '') }],
      },
    },
    components: components.map(cycloneDxComponent),
    dependencies: [
      { ref: 'image', dependsOn: components.map(({ path }) => path) },
      ...components.map(({ path, references }) => ({ ref: path, dependsOn: references })),
    ],
  };
}

/** The bill as JSON text, newline included. */
export function printSbom(format: SbomFormat, subject: SbomSubject): string {
  const document = format === 'spdx' ? spdxDocument(subject) : cycloneDxDocument(subject);
  return `${JSON.stringify(document, null, 2)}\n`;
}
