/** The API's reference: Swagger UI over /openapi.json, whose calls go to the gateway that serves the page. */
import SwaggerUI from "swagger-ui-dist/swagger-ui-es-bundle.js";
import "swagger-ui-dist/swagger-ui.css";

async function start(root: Element): Promise<void> {
  const response = await fetch("/openapi.json");
  if (!response.ok) throw new Error(`openapi.json: ${response.status}`);
  SwaggerUI({
    spec: { ...(await response.json()), servers: [{ url: location.origin }] },
    domNode: root,
    deepLinking: true,
    docExpansion: "list",
    defaultModelsExpandDepth: 0,
    tryItOutEnabled: true,
    validatorUrl: null, // the default validator sends the document to another host
  });
}

const root = document.getElementById("reference");
if (root) {
  start(root).catch(() => {
    root.textContent = "The API's document could not be loaded. Reload the page to try again.";
  });
}
