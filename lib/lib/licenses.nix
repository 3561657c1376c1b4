{ lib }:
let
  free = spdxId: fullName: { inherit spdxId fullName; url = "https://spdx.org/licenses/${spdxId}.html"; free = true; };
in
builtins.mapAttrs (shortName: license: license // { inherit shortName; }) {
  agpl3 = free "AGPL-3.0-only" "GNU Affero General Public License v3.0 only";
  agpl3Plus = free "AGPL-3.0-or-later" "GNU Affero General Public License v3.0 or later";
  asl20 = free "Apache-2.0" "Apache License 2.0";
  artistic2 = free "Artistic-2.0" "Artistic License 2.0";
  boost = free "BSL-1.0" "Boost Software License 1.0";
  bsd0 = free "0BSD" "BSD Zero Clause License";
  bsd2 = free "BSD-2-Clause" "BSD 2-clause License";
  bsd3 = free "BSD-3-Clause" "BSD 3-clause License";
  bsdOriginal = free "BSD-4-Clause" "BSD 4-clause License";
  cc0 = free "CC0-1.0" "Creative Commons Zero v1.0 Universal";
  cc-by-40 = free "CC-BY-4.0" "Creative Commons Attribution 4.0";
  cc-by-sa-40 = free "CC-BY-SA-4.0" "Creative Commons Attribution Share Alike 4.0";
  gpl2 = free "GPL-2.0-only" "GNU General Public License v2.0 only";
  gpl2Plus = free "GPL-2.0-or-later" "GNU General Public License v2.0 or later";
  gpl3 = free "GPL-3.0-only" "GNU General Public License v3.0 only";
  gpl3Plus = free "GPL-3.0-or-later" "GNU General Public License v3.0 or later";
  isc = free "ISC" "ISC License";
  lgpl2 = free "LGPL-2.0-only" "GNU Library General Public License v2 only";
  lgpl21 = free "LGPL-2.1-only" "GNU Lesser General Public License v2.1 only";
  lgpl21Plus = free "LGPL-2.1-or-later" "GNU Lesser General Public License v2.1 or later";
  lgpl3 = free "LGPL-3.0-only" "GNU Lesser General Public License v3.0 only";
  lgpl3Plus = free "LGPL-3.0-or-later" "GNU Lesser General Public License v3.0 or later";
  mit = free "MIT" "MIT License";
  mpl20 = free "MPL-2.0" "Mozilla Public License 2.0";
  ncsa = free "NCSA" "University of Illinois/NCSA Open Source License";
  openssl = free "OpenSSL" "OpenSSL License";
  psfl = free "PSF-2.0" "Python Software Foundation License version 2";
  publicDomain = { fullName = "Public Domain"; free = true; };
  unfree = { fullName = "Unfree"; free = false; };
  unlicense = free "Unlicense" "The Unlicense";
  wtfpl = free "WTFPL" "Do What The F*ck You Want To Public License";
  zlib = free "Zlib" "zlib License";
  zpl21 = free "ZPL-2.1" "Zope Public License 2.1";
}
