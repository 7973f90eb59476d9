#!/bin/sh
# SPDX 2.3 in JSON on stdout: bill_of_materials.sh NAME IMAGE PACKAGE…, from what dpkg knows of the packages.
# https://spdx.github.io/spdx-spec/v2.3/
set -eu
name=$1 image=$2
shift 2
program=$image/fluent-bit/bin/$name
version=$("$program" --version | sed -n '1s/^[^0-9]*//p')
digest=$(sha256sum "$program" | cut -d' ' -f1)
created=$(date -u -d "@${SOURCE_DATE_EPOCH:-0}" +%Y-%m-%dT%H:%M:%SZ)

cat <<END
{
  "spdxVersion": "SPDX-2.3",
  "dataLicense": "CC0-1.0",
  "SPDXID": "SPDXRef-DOCUMENT",
  "name": "$name-image",
  "documentNamespace": "https://noroshi.invalid/sbom/$name-$digest",
  "creationInfo": {"created": "$created", "creators": ["Tool: cdk/docker/fluent-bit/image/bill_of_materials.sh"]},
  "packages": [
    {
      "SPDXID": "SPDXRef-$name",
      "name": "$name",
      "versionInfo": "${version:-0}",
      "downloadLocation": "NOASSERTION",
      "filesAnalyzed": false,
      "checksums": [{"algorithm": "SHA256", "checksumValue": "$digest"}],
      "licenseConcluded": "Apache-2.0",
      "licenseDeclared": "Apache-2.0",
      "copyrightText": "NOASSERTION"
    }
END
for package in "$@"; do
  id=$(printf %s "$package" | tr -c 'A-Za-z0-9.-' '-')
  dpkg-query -W -f "    ,{
      \"SPDXID\": \"SPDXRef-deb-$id\",
      \"name\": \"\${Package}\",
      \"versionInfo\": \"\${Version}\",
      \"supplier\": \"Organization: Debian\",
      \"downloadLocation\": \"NOASSERTION\",
      \"filesAnalyzed\": false,
      \"sourceInfo\": \"Debian source package \${source:Package} \${source:Version}\",
      \"licenseConcluded\": \"NOASSERTION\",
      \"licenseDeclared\": \"NOASSERTION\",
      \"copyrightText\": \"see /usr/share/doc/\${Package}/copyright\",
      \"externalRefs\": [{\"referenceCategory\": \"PACKAGE-MANAGER\", \"referenceType\": \"purl\",
        \"referenceLocator\": \"pkg:deb/debian/\${Package}@\${Version}?arch=\${Architecture}\"}]
    }
" "$package"
done
printf '  ],\n  "relationships": [\n'
printf '    {"spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES", "relatedSpdxElement": "SPDXRef-%s"}' "$name"
for package in "$@"; do
  id=$(printf %s "$package" | tr -c 'A-Za-z0-9.-' '-')
  printf ',\n    {"spdxElementId": "SPDXRef-%s", "relationshipType": "DEPENDS_ON", "relatedSpdxElement": "SPDXRef-deb-%s"}' "$name" "$id"
done
printf '\n  ]\n}\n'
