//! What two processes of Tillway must agree on.
//!
//! Ids, money, quantities and revisions are types ([`id`], [`money`], [`revision`], [`receipt`]);
//! queues have names and limits ([`queue`]); the server speaks to tills in [`command`]s and tills
//! answer with [`report`]s; [`status`] says which states a delivery goes through; [`sales`] is the
//! generated gRPC service that carries receipts up. [`consumer`] finds that a queue gives its
//! consumer nothing any more; [`process`] is how a daemon of ours behaves towards its operator:
//! log file, signals. [`attach`] is how a peer is attached with a code, [`moving`] how it follows
//! a server that moves, [`cash_ini`] the settings that it gets by that, [`till_setting`] those
//! that its server may set later, and [`version`] which versions work together.
//!
//! **Architecture invariant:** nothing here knows a database, a broker client or a file of
//! dictionary data. Text becomes one of these types at the edge of a process, and the inside needs
//! no checks.

pub mod attach;
pub mod cash_ini;
pub mod command;
pub mod consumer;
pub mod id;
pub mod message_code;
pub mod money;
pub mod moving;
pub mod process;
pub mod queue;
pub mod receipt;
pub mod report;
pub mod revision;
pub mod sales;
pub mod secret;
pub mod status;
pub mod till_setting;
pub mod version;

pub use attach::{AttachCode, CodeName, CodeSecret, ProofKey};
pub use command::{Command, CommandError, Order, PackageLink, UnloadSelection};
pub use id::{GroupId, IdError, NodeCode, NodeId, NodeLevel, PeerId, ShopId, TillId};
pub use message_code::{CodeFault, CodeKey, Direction, MessageHead};
pub use money::{DecimalError, Kopecks, Thousandths};
pub use queue::{ControlQueue, DictionaryQueue};
pub use receipt::ReceiptKey;
pub use report::{RejectCause, Report};
pub use revision::{CursorProof, DeliveryId, Digest, LoadId, PackageName, Revision, RowHash};
pub use secret::{BrokerPassword, PeerSecret};
pub use status::{DeliveryState, ExchangeStatus};
pub use till_setting::{SettingForm, TillSetting};
pub use version::Version;
