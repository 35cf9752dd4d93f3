//! Sales as the server has them: shifts with their checks, totals, receipts, findings.

use super::Acting;
use super::error::AppError;
use super::rights::{Act, Place};
use crate::audit::Verb;
use crate::store::sales::{
    Finding, FindingFilter, Page, ReceiptView, ShiftFilter, ShiftView, TotalsBy, TotalsFilter, TotalsRow,
};
use jiff::Timestamp;
use serde_json::json;
use tillway_proto::receipt::ShiftKey;
use tillway_proto::{NodeId, ShopId};
use tillway_service::audit::AuditLine;

/// Characters of a note that are kept.
const MAX_NOTE_CHARS: usize = 300;

/// Whose sales, by id or folder name; none: everybody's.
#[derive(Debug, Clone, Copy, Default)]
pub struct SalesOf<'a> {
    /// Of this till.
    pub till: Option<&'a str>,
    /// Of this shop.
    pub shop: Option<&'a str>,
}

impl Acting {
    /// Shifts with their check, newest first. The filter's till and shop are those of `of`.
    pub fn shifts(&self, of: SalesOf<'_>, filter: &ShiftFilter, page: Page) -> Result<Vec<ShiftView>, AppError> {
        let filter =
            ShiftFilter { till: self.till_or_all(of.till)?, shop: self.shop_or_all(of.shop)?, ..filter.clone() };
        Ok(self.parts.sales.shifts(&filter, page)?)
    }

    /// Totals of sales and refunds. The filter's till and shop are those of `of`.
    pub fn totals(&self, of: SalesOf<'_>, filter: &TotalsFilter, by: TotalsBy) -> Result<Vec<TotalsRow>, AppError> {
        let filter =
            TotalsFilter { till: self.till_or_all(of.till)?, shop: self.shop_or_all(of.shop)?, ..filter.clone() };
        Ok(self.parts.sales.totals(&filter, by)?)
    }

    /// Receipts of one shift, by number.
    pub fn receipts(&self, till: &str, shift: ShiftKey, page: Page) -> Result<Vec<ReceiptView>, AppError> {
        let till = self.till_for(Act::Read, till)?;
        Ok(self.parts.sales.receipts(&till, shift, page)?)
    }

    /// What is wrong with sales, newest first: open findings, or closed ones too.
    pub fn findings(&self, till: Option<&str>, open_only: bool, page: Page) -> Result<Vec<Finding>, AppError> {
        let filter = FindingFilter { till: self.till_or_all(till)?, open_only };
        Ok(self.parts.sales.findings(&filter, page)?)
    }

    /// Closes a finding that somebody looked into. What they found, where they say so, stands in
    /// the audit log.
    pub fn close_finding(&self, finding: i64, note: &str) -> Result<(), AppError> {
        self.allow(Act::CloseFindings, Place::Everywhere)?;
        let note: String = note.chars().take(MAX_NOTE_CHARS).collect();
        let line = AuditLine::new(&self.caller, Verb::FindingClose, format_args!("finding:{finding}"));
        let line = if note.is_empty() { line } else { line.after(json!({"note": note})) };
        let closed = self.parts.sales.resolve_finding(finding, Timestamp::now(), &line)?;
        if closed { Ok(()) } else { Err(AppError::NoOpenFinding { finding }) }
    }

    fn shop_or_all(&self, text: Option<&str>) -> Result<Option<ShopId>, AppError> {
        let Some(text) = text else { return Ok(None) };
        let node = self.nodes().find(text)?;
        self.allow(Act::Read, Place::Node(&node))?;
        match node {
            NodeId::Shop(shop) => Ok(Some(shop)),
            node => Err(AppError::NoShop { node }),
        }
    }
}
