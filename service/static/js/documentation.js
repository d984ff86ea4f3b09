// Script of /docs: Swagger UI renders the OpenAPI document of the same service.
SwaggerUIBundle({ url: "openapi.json", dom_id: "#documentation", deepLinking: true, validatorUrl: null });
