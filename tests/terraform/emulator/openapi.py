"""An OpenAPI document as a REST API: what API Gateway does with a `body`, for the emulator does not take one whole.

Paths, methods, API keys, authorizers that are asked about a whole request, integrations with their responses, and gateway
responses are carried out. Models are not; an extension of API Gateway that is not known here, as for the validation of requests,
is refused by name.
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
AUTHORIZER = {"authorizerUri", "authorizerCredentials", "authorizerResultTtlInSeconds", "identitySource"}
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
    for authorizer in client.get_authorizers(restApiId=api, limit=500)["items"]:
        client.delete_authorizer(restApiId=api, authorizerId=authorizer["id"])
    for response in client.get_gateway_responses(restApiId=api, limit=500)["items"]:
        if not response["defaultResponse"]:
            client.delete_gateway_response(restApiId=api, responseType=response["responseType"])
    schemes = security_schemes(client, api, document)
    for path, operations in document["paths"].items():
        key = {"restApiId": api, "resourceId": resource_of(client, api, path, ids)}
        for name, operation in operations.items():
            if name in METHODS:
                place = f"{METHODS[name]} {path}"
                add_method(client, {**key, "httpMethod": METHODS[name]}, operation, document, schemes, operations, place)
            elif name != "parameters":
                raise Refused(f"{name} of {path} in an OpenAPI document")
    for kind, response in document.get(RESPONSES, {}).items():
        client.put_gateway_response(restApiId=api, responseType=kind, **response)


def known_extensions(thing, known, place):
    strange = sorted(name for name in thing if name.startswith(PREFIX) and name not in known)
    if strange:
        raise Refused(f"{', '.join(strange)} of {place} in OpenAPI")


def security_schemes(client, api, document):
    """What a method is put with for each security scheme; authorizers are made."""
    schemes = document.get("components", {}).get("securitySchemes", {})
    return {name: security_scheme(client, api, name, scheme) for name, scheme in schemes.items()}


def security_scheme(client, api, name, scheme):
    place = f"the security scheme {name}"
    asked = scheme.get(f"{PREFIX}authorizer")
    if asked is None:
        if (scheme["type"], scheme.get("in"), scheme.get("name", "").lower()) != ("apiKey", "header", "x-api-key"):
            raise Refused(f"{place}, which is no API key in the header x-api-key")
        known_extensions(scheme, set(), place)
        return {"apiKeyRequired": True}
    known_extensions(scheme, {f"{PREFIX}authorizer", f"{PREFIX}authtype"}, place)
    request = dict(asked)
    if (scheme["type"], request.pop("type")) != ("apiKey", "request"):
        raise Refused(f"{place}, whose authorizer is not asked about a request")
    strange = sorted(set(request) - AUTHORIZER)
    if strange:
        raise Refused(f"{', '.join(strange)} of {place}")
    if f"{PREFIX}authtype" in scheme:
        request["authType"] = scheme[f"{PREFIX}authtype"]
    made = client.create_authorizer(restApiId=api, name=name, type="REQUEST", **request)
    return {"authorizationType": "CUSTOM", "authorizerId": made["id"]}


def resource_of(client, api, path, ids):
    """The id of a path's resource, which is made with those above it where they are missing."""
    path = "/" + path.strip("/")
    if path not in ids:
        above, _, last = path.rpartition("/")
        parent = resource_of(client, api, above, ids)
        ids[path] = client.create_resource(restApiId=api, parentId=parent, pathPart=last)["id"]
    return ids[path]


def add_method(client, key, operation, document, schemes, shared, place):
    integration = operation.get(f"{PREFIX}integration")
    if integration is None:
        raise Refused(f"{place} without an integration")
    known_extensions(operation, {f"{PREFIX}integration"}, place)
    security = operation.get("security", document.get("security", []))
    # API Gateway asks for all of them, wherever OpenAPI says that any is enough.
    wanted = sorted({name for requirement in security for name in requirement})
    unknown = [name for name in wanted if name not in schemes]
    if unknown or len([name for name in wanted if "authorizerId" in schemes[name]]) > 1:
        raise Refused(f"the security {', '.join(unknown or wanted)} of {place}")
    secured = {"authorizationType": "NONE"}
    for name in wanted:
        secured |= schemes[name]
    parameters = [
        each for each in shared.get("parameters", []) + operation.get("parameters", []) if each.get("in") == "path"
    ]
    required = {f"method.request.path.{each['name']}": True for each in parameters}
    client.put_method(**key, **secured, requestParameters=required)
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
