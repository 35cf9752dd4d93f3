//! Who may do what, and where in the tree.
//!
//! One pure function over one table. People and programs have a [`Role`] and a place, the chain, a
//! group or a shop: a role holds for what is at that place and below it. Whoever may open the
//! database at the command line is administrator of the whole tree. docs/rights.md shows the
//! table; a test holds it to this one.

use serde::Serialize;
use std::str::FromStr;
use tillway_proto::{NodeId, TillId};
use tillway_service::actor::{Actor, Caller, Grant};

/// A till that showed its token.
pub fn of_till(till: &TillId) -> Actor {
    Actor::Peer { sort: "till", id: till.to_string() }
}

/// What people and programs are here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Looks.
    Viewer,
    /// Looks, and mends what comes up from day to day.
    Operator,
    /// Does everything.
    Administrator,
    /// Looks at everything, who did what included, and changes nothing.
    Auditor,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Viewer, Self::Operator, Self::Administrator, Self::Auditor];

    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Administrator => "administrator",
            Self::Auditor => "auditor",
        }
    }
}

impl FromStr for Role {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|role| role.as_str() == text).ok_or(())
    }
}

/// What a caller wants to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Look at something.
    Read,
    /// Look at how the server itself works.
    LookAtServer,
    /// Look at who did what.
    ReadAudit,
    /// Look at the server's log.
    ReadLog,
    /// Have backups made and rehearsed.
    ManageBackups,
    /// Make, change, move or remove nodes; new tokens.
    ChangeNodes,
    /// Ask a till for sales that are missing.
    AskForSales,
    /// Give a till any other order, or decide about its state.
    ManageTills,
    /// Say yes or no to held loads, mark notices as seen.
    ManageLoads,
    /// Try again or drop what was set aside.
    SettleAside,
    /// Close findings of sales.
    CloseFindings,
    /// See and change who may come in, and keys of programs.
    ManagePeople,
}

impl Act {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Read,
        Self::AskForSales,
        Self::ManageTills,
        Self::ManageLoads,
        Self::SettleAside,
        Self::CloseFindings,
        Self::ChangeNodes,
        Self::LookAtServer,
        Self::ReadAudit,
        Self::ReadLog,
        Self::ManageBackups,
        Self::ManagePeople,
    ];

    /// Its word: `act-<word>` is the message for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::LookAtServer => "look-at-server",
            Self::ReadAudit => "read-audit",
            Self::ReadLog => "read-log",
            Self::ManageBackups => "manage-backups",
            Self::ChangeNodes => "change-nodes",
            Self::AskForSales => "ask-for-sales",
            Self::ManageTills => "manage-tills",
            Self::ManageLoads => "manage-loads",
            Self::SettleAside => "settle-aside",
            Self::CloseFindings => "close-findings",
            Self::ManagePeople => "manage-people",
        }
    }
}

/// What each role may. Who changes this changes docs/rights.md.
const OF_ROLES: [(Role, &[Act]); 4] = [
    (Role::Viewer, &[Act::Read]),
    (
        Role::Operator,
        &[
            Act::Read,
            Act::AskForSales,
            Act::ManageTills,
            Act::ManageLoads,
            Act::SettleAside,
            Act::CloseFindings,
            Act::LookAtServer,
        ],
    ),
    (Role::Administrator, &Act::ALL),
    (Role::Auditor, &[Act::Read, Act::LookAtServer, Act::ReadAudit]),
];

/// Whether a role may do this, where its place is.
pub fn may(role: Role, act: Act) -> bool {
    OF_ROLES.iter().any(|(of, acts)| *of == role && acts.contains(&act))
}

/// Where in the tree.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place<'a> {
    /// What belongs to no node alone.
    Everywhere,
    /// A node.
    Node(&'a NodeId),
}

/// Where a caller may do something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Within {
    /// In the whole tree, and with what belongs to no node.
    WholeTree,
    /// At a node and below it.
    Below(NodeId),
    /// With the node that the caller is.
    Own(String),
}

/// The caller may not do this.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Denied {
    /// Anywhere.
    #[error("{actor} may not do this")]
    MayNot {
        /// Who.
        actor: Actor,
    },
    /// There.
    #[error("{actor} may not do this at {node}")]
    MayNotThere {
        /// Who.
        actor: Actor,
        /// Where.
        node: NodeId,
    },
}

/// Whether who may this manages people.
pub fn manages_people(grant: &Grant) -> bool {
    grant.place.is_none() && grant.role.parse().is_ok_and(|role| may(role, Act::ManagePeople))
}

/// What the first user may.
pub fn everything() -> Grant {
    Grant { role: Role::Administrator.as_str().to_owned(), place: None }
}

/// Where the caller may do this; none: nowhere.
pub(super) fn within(caller: &Caller, act: Act) -> Option<Within> {
    match &caller.actor {
        Actor::SystemUser(_) | Actor::Server => Some(Within::WholeTree),
        Actor::Peer { id, .. } => (act == Act::AskForSales).then(|| Within::Own(id.clone())),
        Actor::Login(_) | Actor::Key(_) => {
            // A role or a place of a newer server opens nothing.
            let grant = caller.grant.as_ref()?;
            let _: Role = grant.role.parse().ok().filter(|role| may(*role, act))?;
            match &grant.place {
                None => Some(Within::WholeTree),
                Some(place) => place.parse().ok().map(Within::Below),
            }
        }
    }
}

/// Whether the caller may do this there. `is_below`: whether the first node is the second or below
/// it.
pub(super) fn check(
    caller: &Caller,
    act: Act,
    place: Place<'_>,
    is_below: impl FnOnce(&NodeId, &NodeId) -> bool,
) -> Result<(), Denied> {
    let holds = match (within(caller, act), place) {
        (Some(Within::WholeTree), _) => true,
        (Some(Within::Below(top)), Place::Node(node)) => is_below(node, &top),
        (Some(Within::Own(own)), Place::Node(NodeId::Till(till))) => till.as_str() == own,
        _ => false,
    };
    if holds {
        return Ok(());
    }
    let actor = caller.actor.clone();
    Err(match place {
        Place::Everywhere => Denied::MayNot { actor },
        Place::Node(node) => Denied::MayNotThere { actor, node: node.clone() },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tillway_service::actor::Face;

    fn caller(actor: Actor, grant: Option<Grant>) -> Caller {
        Caller { actor, face: Face::Rest, address: None, grant }
    }

    fn user(role: &str, place: Option<&str>) -> Caller {
        let grant = Grant { role: role.to_owned(), place: place.map(str::to_owned) };
        caller(Actor::Login("anna".to_owned()), Some(grant))
    }

    #[test]
    fn a_till_may_ask_for_its_own_sales_and_nothing_else() {
        let own: TillId = "_cash_1_00ab34ef".parse().unwrap();
        let other: NodeId = "_cash_2_00ab34ef".parse().unwrap();
        let (node, till) = (NodeId::Till(own.clone()), caller(of_till(&own), None));
        let check = |act, place| check(&till, act, place, |_, _| true);
        assert_eq!(check(Act::AskForSales, Place::Node(&node)), Ok(()));
        for (act, place) in [
            (Act::AskForSales, Place::Node(&other)),
            (Act::AskForSales, Place::Everywhere),
            (Act::ManageTills, Place::Node(&node)),
            (Act::Read, Place::Node(&node)),
            (Act::LookAtServer, Place::Everywhere),
        ] {
            assert!(check(act, place).is_err(), "{act:?} {place:?}");
        }
        let denied = check(Act::ManageTills, Place::Node(&other)).unwrap_err();
        assert_eq!(denied.to_string(), "till:_cash_1_00ab34ef may not do this at _cash_2_00ab34ef");
    }

    #[test]
    fn a_role_holds_at_its_place_and_below_it_and_for_what_the_table_says() {
        let shop: NodeId = "_shop_7_00ab34ef".parse().unwrap();
        for role in Role::ALL {
            let [everywhere, there] = [None, Some(shop.as_str())].map(|place| user(role.as_str(), place));
            for act in Act::ALL {
                let expected = may(role, act);
                for place in [Place::Everywhere, Place::Node(&shop)] {
                    assert_eq!(check(&everywhere, act, place, |_, _| false).is_ok(), expected, "{role:?} {act:?}");
                }
                assert_eq!(check(&there, act, Place::Node(&shop), |_, _| true).is_ok(), expected, "{role:?} {act:?}");
                assert!(check(&there, act, Place::Node(&shop), |_, _| false).is_err(), "{role:?} {act:?} elsewhere");
                assert!(check(&there, act, Place::Everywhere, |_, _| true).is_err(), "{role:?} {act:?} everywhere");
            }
        }
        assert!(manages_people(&everything()));
    }

    #[test]
    fn what_a_newer_server_wrote_opens_nothing_and_nobody_is_let_in_without_a_grant() {
        for odd in [user("emperor", None), user("administrator", Some("the moon")), user("viewer", Some(""))] {
            assert_eq!(within(&odd, Act::Read), None, "{odd:?}");
        }
        assert_eq!(within(&caller(Actor::Login("anna".to_owned()), None), Act::Read), None);
    }

    #[test]
    fn the_docs_show_this_table() {
        let mut shown = format!("| | {} |\n|---|", Role::ALL.map(Role::as_str).join(" | "));
        shown.push_str(&"---|".repeat(Role::ALL.len()));
        let rows = Act::ALL.map(|act| {
            let cells = Role::ALL.map(|role| if may(role, act) { "yes" } else { "–" });
            format!("\n| {} | {} |", act.as_str(), cells.join(" | "))
        });
        shown.push_str(&rows.concat());
        let page = include_str!("../../../docs/rights.md");
        assert!(page.contains(&shown), "docs/rights.md has another table than this:\n{shown}");
    }
}
