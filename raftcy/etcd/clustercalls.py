"""The RPCs of the Cluster and Auth services, as far as a cluster with fixed members and without users has them.

Everything that would change the members, or add users, answers code 12 (unimplemented), except where etcd would refuse
it with a text of its own.
"""

from typing import Any

from . import schema
from .apicore import Core
from .awaited import Answer
from .etcdmachine import Attributes
from .refusals import UNIMPLEMENTED, Refused, refused
from .service import Context, Method, Unary

_MEMBERS = "raftcy: the members of a cluster cannot be changed through this API yet"
_USERS = "raftcy: there are no users yet"


class ClusterCalls:
    """See the module. ``peer_scheme`` is what stands before the addresses of members: "http" or "https"."""

    def __init__(self, core: Core, peer_scheme: str = "http") -> None:
        self._core = core
        self._peer_scheme = peer_scheme

    def methods(self) -> list[Method]:
        """The RPCs."""
        at, s = "/etcdserverpb.Cluster/", schema
        return [
            Unary(at + "MemberList", s.MemberListRequest, s.MemberListResponse, self.member_list),
            Unary(at + "MemberAdd", s.MemberAddRequest, s.MemberAddResponse, self.member_add),
            Unary(at + "MemberRemove", s.MemberRemoveRequest, s.MemberRemoveResponse, self.member_remove),
            Unary(at + "MemberUpdate", s.MemberUpdateRequest, s.MemberUpdateResponse, self.member_update),
            Unary(at + "MemberPromote", s.MemberPromoteRequest, s.MemberPromoteResponse, self.member_promote),
        ]

    def member_list(self, request: schema.MemberListRequest, context: Context) -> Any:
        """List the members, as of everything committed by now if the request says so."""
        self._core.gate(context)
        return self._core.after_barrier(self._list) if request.linearizable else self._core.now(self._list)

    def _list(self, answer: Answer | None) -> bytes:
        core = self._core
        learners = core.replica.members.learners
        found = []
        for id, host in sorted(core.host.status().hosts.items()):
            published = core.machine.attributes.get(id, Attributes("", ()))
            peer_urls = [f"{self._peer_scheme}://{address}" for address in host.addresses]
            found.append(
                schema.Member(
                    ID=id,
                    name=published.name,
                    peerURLs=peer_urls,
                    clientURLs=published.client_urls,
                    isLearner=id in learners,
                )
            )
        # As in etcd, headers of this service have no revision.
        return core.headers.field(0, core.replica.term) + schema.MemberListResponse(members=found).SerializeToString()

    def _known(self, id: int) -> None:
        if id not in self._core.host.status().hosts:
            raise refused("MEMBER_NOT_FOUND")

    def member_add(self, request: schema.MemberAddRequest, context: Context) -> Answer:
        """Refuse to add a member."""
        self._core.gate(context)
        raise Refused(UNIMPLEMENTED, _MEMBERS)

    def member_remove(self, request: schema.MemberRemoveRequest, context: Context) -> Answer:
        """Refuse to remove a member."""
        self._core.gate(context)
        self._known(request.ID)
        raise Refused(UNIMPLEMENTED, _MEMBERS)

    def member_update(self, request: schema.MemberUpdateRequest, context: Context) -> Answer:
        """Refuse to update a member."""
        self._core.gate(context)
        self._known(request.ID)
        raise Refused(UNIMPLEMENTED, _MEMBERS)

    def member_promote(self, request: schema.MemberPromoteRequest, context: Context) -> Answer:
        """Refuse to promote a member."""
        self._core.gate(context)
        self._known(request.ID)
        if request.ID not in self._core.replica.members.learners:
            raise refused("MEMBER_NOT_LEARNER")
        raise Refused(UNIMPLEMENTED, _MEMBERS)


class AuthCalls:
    """The RPCs of the Auth service: authentication is off, and there are no users."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def methods(self) -> list[Method]:
        """The RPCs."""
        at, s = "/etcdserverpb.Auth/", schema
        return [
            Unary(at + "AuthStatus", s.AuthStatusRequest, s.AuthStatusResponse, self.status),
            Unary(at + "AuthEnable", s.AuthEnableRequest, s.AuthEnableResponse, self.enable),
            Unary(at + "AuthDisable", s.AuthDisableRequest, s.AuthDisableResponse, self.disable),
            Unary(at + "Authenticate", s.AuthenticateRequest, s.AuthenticateResponse, self.authenticate),
            Unary(at + "UserAdd", s.AuthUserAddRequest, s.AuthUserAddResponse, self.unimplemented),
            Unary(at + "RoleAdd", s.AuthRoleAddRequest, s.AuthRoleAddResponse, self.unimplemented),
        ]

    def status(self, request: schema.AuthStatusRequest, context: Context) -> bytes:
        """Say that authentication is off."""
        self._core.gate(context)
        return self._core.header() + schema.AuthStatusResponse(enabled=False, authRevision=1).SerializeToString()

    def enable(self, request: schema.AuthEnableRequest, context: Context) -> bytes:
        """Refuse, because there is no user root."""
        self._core.gate(context)
        raise refused("ROOT_USER_NOT_EXIST")

    def disable(self, request: schema.AuthDisableRequest, context: Context) -> bytes:
        """Do nothing: authentication is off."""
        self._core.gate(context)
        return self._core.header()

    def authenticate(self, request: schema.AuthenticateRequest, context: Context) -> bytes:
        """Refuse, because authentication is off."""
        self._core.gate(context)
        raise refused("AUTH_NOT_ENABLED")

    def unimplemented(self, request: Any, context: Context) -> bytes:
        """Refuse to add a user or a role."""
        raise Refused(UNIMPLEMENTED, _USERS)
