"""The OpenAPI document of the gateway, made of its routes."""
