//! Who may do what, and where in the tree.
//!
//! One pure function over one table. Until roles exist, whoever has a login or a key, and whoever may
//! open the database at the command line, is administrator of the whole tree. A role will be
//! entries of the table.

use serde::Serialize;
use tillway_proto::{NodeId, TillId};
use tillway_service::actor::Actor;

/// A till that showed its token.
pub fn of_till(till: &TillId) -> Actor {
    Actor::Peer { sort: "till", id: till.to_string() }
}

/// What a caller wants to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Look at something.
    Read,
    /// Look at how the server itself works.
    LookAtServer,
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

/// Where in the tree.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place<'a> {
    /// What belongs to no node alone.
    Everywhere,
    /// A node.
    Node(&'a NodeId),
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

/// Sorts of actors that rights are given to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Login,
    Till,
    SystemUser,
    Server,
}

/// Where a right holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Within {
    WholeTree,
    /// The node that the actor itself is.
    ItsOwnNode,
}

/// What a right allows; none: everything.
type Acts = Option<&'static [Act]>;

const RIGHTS: [(Who, Acts, Within); 4] = [
    (Who::Login, None, Within::WholeTree),
    (Who::SystemUser, None, Within::WholeTree),
    (Who::Server, None, Within::WholeTree),
    (Who::Till, Some(&[Act::AskForSales]), Within::ItsOwnNode),
];

/// Whether the actor may do this there.
pub(super) fn check(actor: &Actor, act: Act, place: Place<'_>) -> Result<(), Denied> {
    let (who, own) = match actor {
        Actor::Login(_) | Actor::Key(_) => (Who::Login, None),
        Actor::Peer { id, .. } => (Who::Till, Some(id.as_str())),
        Actor::SystemUser(_) => (Who::SystemUser, None),
        Actor::Server => (Who::Server, None),
    };
    let is_own = match place {
        Place::Node(NodeId::Till(till)) => Some(till.as_str()) == own,
        _ => false,
    };
    let holds = |(to, acts, within): &(Who, Acts, Within)| {
        *to == who
            && acts.is_none_or(|acts| acts.contains(&act))
            && match within {
                Within::WholeTree => true,
                Within::ItsOwnNode => is_own,
            }
    };
    if RIGHTS.iter().any(holds) {
        return Ok(());
    }
    let actor = actor.clone();
    Err(match place {
        Place::Everywhere => Denied::MayNot { actor },
        Place::Node(node) => Denied::MayNotThere { actor, node: node.clone() },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_till_may_ask_for_its_own_sales_and_nothing_else() {
        let own: TillId = "_cash_1_00ab34ef".parse().unwrap();
        let other: NodeId = "_cash_2_00ab34ef".parse().unwrap();
        let (node, till) = (NodeId::Till(own.clone()), of_till(&own));
        assert_eq!(check(&till, Act::AskForSales, Place::Node(&node)), Ok(()));
        for (act, place) in [
            (Act::AskForSales, Place::Node(&other)),
            (Act::AskForSales, Place::Everywhere),
            (Act::ManageTills, Place::Node(&node)),
            (Act::Read, Place::Node(&node)),
            (Act::LookAtServer, Place::Everywhere),
        ] {
            assert!(check(&till, act, place).is_err(), "{act:?} {place:?}");
        }
        let denied = check(&till, Act::ManageTills, Place::Node(&other)).unwrap_err();
        assert_eq!(denied.to_string(), "till:_cash_1_00ab34ef may not do this at _cash_2_00ab34ef");
        let admin = Actor::Login("admin".to_owned());
        assert_eq!(check(&admin, Act::ChangeNodes, Place::Node(&other)), Ok(()));
    }
}
