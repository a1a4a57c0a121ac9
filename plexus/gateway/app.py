"""The Falcon application and the layer around it: every route, and errors in every dialect."""

from collections.abc import Mapping
from typing import Any

import falcon
from falcon.asgi import App, Request, Response

from plexus.gateway.bugs import note_bug
from plexus.gateway.channel import KEY, Channel, ClientGone
from plexus.gateway.connection import Connection
from plexus.gateway.entry import BARE, CALLS, DeploymentEndpoint, PinnedEndpoint, SharedEndpoint
from plexus.gateway.errors import no_route, refuse
from plexus.gateway.gemini import GeminiEndpoint
from plexus.gateway.headers import counters
from plexus.gateway.models import ModelByName, ModelEndpoint
from plexus.gateway.services import Services
from plexus.gateway.status import Health, Live, Ready
from plexus.unified.errors import PlexusError, UnifiedError

Params = Mapping[str, Any]


def create_app(services: Services) -> Connection:
    """The ASGI application.  Few routes, however many aliases there are (design decision 12)."""
    app: App[Request, Response] = App()
    app.req_options.strip_url_path_trailing_slash = True
    table, models = services.generation.table, ModelEndpoint(services)
    for path, call in {**CALLS, **BARE}.items():
        app.add_route(path, SharedEndpoint(services, call))
        if call.dialect != "anthropic-messages":
            # Azure's newer addresses.
            app.add_route(f"/openai{path}", SharedEndpoint(services, call))
    app.add_route("/openai/deployments/{call:path}", DeploymentEndpoint(services))
    gemini = GeminiEndpoint(services)
    by_name = ModelByName(services, models, gemini)
    for version in ("", "/v1", "/v1beta", "/v1alpha", "/openai", "/openai/v1"):
        app.add_route(f"{version}/models", models)
        app.add_route(f"{version}/models/{{name:path}}", by_name)
        app.add_route(f"{version}/tunedModels/{{name:path}}", gemini)
    app.add_route("/aliases/{pinned:path}", PinnedEndpoint(services, table.aliases, models))
    app.add_route("/targets/{pinned:path}", PinnedEndpoint(services, table.targets, models))
    app.add_route("/health", Health(services))
    app.add_route("/livez", Live())
    app.add_route("/readyz", Ready(services))
    app.add_route("/api/hello", Live())
    app.add_route("/", Live())
    _handle_errors(app, services)
    return Connection(app, services)


def _also(req: Request) -> str:
    """What a GET of the Responses API was meant to be: anything else of it has a longer path."""
    if req.method != "GET" or not req.path.endswith("/responses"):
        return ""
    return ", or open a WebSocket (upgrade: websocket), which this address takes as well"


def _handle_errors(app: "App[Request, Response]", services: Services) -> None:
    """Falcon's own error bodies speak no dialect; none of them gets out."""

    async def plexus_error(
        req: Request, resp: Response, problem: PlexusError, params: Params
    ) -> None:
        await refuse(req.scope[KEY], problem.error)

    async def http_error(
        req: Request, resp: Response, problem: falcon.HTTPError, params: Params
    ) -> None:
        channel: Channel = req.scope[KEY]
        if problem.status_code == 404:
            await refuse(channel, no_route(req.method, req.path))
        elif problem.status_code == 405:
            allow = dict(problem.headers or {}).get("Allow", "")
            error = UnifiedError(
                kind="invalid_request",
                message=f"{req.method} is not allowed here; use {allow}{_also(req)}",
                status=405,
                should_retry=False,
            )
            await refuse(
                channel, error, [(b"allow", allow.encode("ascii")), *counters(channel.record)]
            )
        else:
            error = UnifiedError(
                kind="invalid_request", message=str(problem.title), status=problem.status_code
            )
            await refuse(channel, error)

    async def gone(req: Request, resp: Response, problem: ClientGone, params: Params) -> None:
        raise problem

    async def bug(req: Request, resp: Response, problem: Exception, params: Params) -> None:
        channel: Channel = req.scope[KEY]
        note_bug(services.log, channel.record, problem)
        error = UnifiedError(
            kind="server", message="an internal error of Plexus; its log has the details"
        )
        await refuse(channel, error)

    app.add_error_handler(Exception, bug)
    app.add_error_handler(falcon.HTTPError, http_error)
    app.add_error_handler(PlexusError, plexus_error)
    app.add_error_handler(ClientGone, gone)
