"""An OpenAPI document as a REST API: what API Gateway does with a `body`, for the emulator does not take one whole.

Paths, methods, API keys, integrations with their responses, and gateway responses are carried out. Models are not, nor are
authorizers; an extension of API Gateway that is not known here, as for the validation of requests, is refused by name.
"""

import json

from .base import Refused

METHODS = {name: name.upper() for name in ("get", "put", "post", "delete", "options", "head", "patch")}
METHODS["x-amazon-apigateway-any-method"] = "ANY"
INTEGRATION = {
    "type": "type",
    "httpMethod": "integrationHttpMethod",
    "uri": "uri",
    "credentials": "credentials",
    "passthroughBehavior": "passthroughBehavior",
    "requestParameters": "requestParameters",
    "requestTemplates": "requestTemplates",
    "timeoutInMillis": "timeoutInMillis",
}
PREFIX, RESPONSES = "x-amazon-apigateway-", "x-amazon-apigateway-gateway-responses"


def replace(client, api, body):
    """Makes the API what the document says, and nothing of what it was before."""
    document = json.loads(body)
    known_extensions(document, {RESPONSES}, "the document")
    resources = client.get_resources(restApiId=api, limit=500)["items"]
    ids = {resource["path"]: resource["id"] for resource in resources}
    for resource in resources:
        if resource.get("parentId") == ids["/"]:
            client.delete_resource(restApiId=api, resourceId=resource["id"])
        elif resource["path"] == "/":
            for method in resource.get("resourceMethods", {}):
                client.delete_method(restApiId=api, resourceId=ids["/"], httpMethod=method)
    ids = {"/": ids["/"]}
    keys = api_key_schemes(document)
    for path, operations in document["paths"].items():
        key = {"restApiId": api, "resourceId": resource_of(client, api, path, ids)}
        for name, operation in operations.items():
            if name in METHODS:
                place = f"{METHODS[name]} {path}"
                add_method(client, {**key, "httpMethod": METHODS[name]}, operation, document, keys, operations, place)
            elif name != "parameters":
                raise Refused(f"{name} of {path} in an OpenAPI document")
    for kind, response in document.get(RESPONSES, {}).items():
        client.put_gateway_response(restApiId=api, responseType=kind, **response)


def known_extensions(thing, known, place):
    strange = sorted(name for name in thing if name.startswith(PREFIX) and name not in known)
    if strange:
        raise Refused(f"{', '.join(strange)} of {place} in OpenAPI")


def api_key_schemes(document):
    schemes = document.get("components", {}).get("securitySchemes", {})
    for name, scheme in schemes.items():
        if (scheme["type"], scheme.get("in"), scheme.get("name", "").lower()) != ("apiKey", "header", "x-api-key"):
            raise Refused(f"the security scheme {name}, which is no API key in the header x-api-key")
        known_extensions(scheme, set(), f"the security scheme {name}")
    return set(schemes)


def resource_of(client, api, path, ids):
    """The id of a path's resource, which is made with those above it where they are missing."""
    path = "/" + path.strip("/")
    if path not in ids:
        above, _, last = path.rpartition("/")
        parent = resource_of(client, api, above, ids)
        ids[path] = client.create_resource(restApiId=api, parentId=parent, pathPart=last)["id"]
    return ids[path]


def add_method(client, key, operation, document, keys, shared, place):
    integration = operation.get(f"{PREFIX}integration")
    if integration is None:
        raise Refused(f"{place} without an integration")
    known_extensions(operation, {f"{PREFIX}integration"}, place)
    security = operation.get("security", document.get("security", []))
    wanted = {name for requirement in security for name in requirement}
    if not wanted <= keys:
        raise Refused(f"the security {', '.join(sorted(wanted - keys))} of {place}")
    parameters = [
        each for each in shared.get("parameters", []) + operation.get("parameters", []) if each.get("in") == "path"
    ]
    required = {f"method.request.path.{each['name']}": True for each in parameters}
    client.put_method(**key, authorizationType="NONE", apiKeyRequired=bool(wanted), requestParameters=required)
    strange = set(integration) - set(INTEGRATION) - {"responses"}
    if strange:
        raise Refused(f"{', '.join(sorted(strange))} of the integration of {place}")
    request = {INTEGRATION[name]: value for name, value in integration.items() if name != "responses"}
    client.put_integration(**key, **{**request, "type": request["type"].upper()})
    for pattern, response in integration.get("responses", {}).items():
        status, given = (
            response["statusCode"],
            {name: value for name, value in response.items() if name != "statusCode"},
        )
        headers = {name: False for name in given.get("responseParameters", {})}
        client.put_method_response(**key, statusCode=status, responseParameters=headers)
        selection = {} if pattern == "default" else {"selectionPattern": pattern}
        client.put_integration_response(**key, statusCode=status, **selection, **given)
