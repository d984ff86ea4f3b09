// The whole of /docs that is ours: Swagger UI draws the document of the service that it came from.
SwaggerUIBundle({ url: "openapi.json", dom_id: "#documentation", deepLinking: true, validatorUrl: null });
