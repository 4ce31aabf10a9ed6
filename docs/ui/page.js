"use strict";

// Everything comes from the service itself: no validator, no other server.
SwaggerUIBundle({
    url: "openapi.yaml",
    dom_id: "#api",
    deepLinking: true,
    docExpansion: "none",
    displayRequestDuration: true,
    validatorUrl: "none",
});
