//! Settings of a till that its server may set: keys of `cash.ini`, what may stand there, and what
//! counts where nothing does. The agent reads its file by these, the server checks by these what a
//! person types, so neither takes what the other refuses.
//!
//! Only keys are here that cannot lock a till out: where the server is, who the till is, its
//! secret, programs that it runs and its folders are none of them.

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TillSetting {
    /// The key in `cash.ini`, in small letters.
    pub key: &'static str,
    /// What may stand there.
    pub form: SettingForm,
}

/// What may stand there, and what counts where nothing does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SettingForm {
    /// `True` or `False`.
    Flag {
        /// Where nothing stands there.
        default: bool,
    },
    /// A whole number.
    Number {
        /// The smallest.
        least: u64,
        /// The largest.
        most: u64,
        /// Where nothing stands there.
        default: u64,
    },
}

/// Longest heartbeat that AMQP can express is 65535 s; beyond an hour it is a typing error.
const MAX_HEARTBEAT_SECS: u64 = 3600;

/// Most objects in one message of the file queue: a message is held in memory whole.
const MAX_CHUNK_OBJECTS: u64 = 1_000_000;

/// Most archives: more would make every look at the folder slow.
const MAX_BACKUP_FILES: u64 = 10_000;

/// Ten years.
const MAX_BACKUP_DAYS: u64 = 3650;

/// A day: the longest period that still is one.
const MAX_PERIOD_SECS: u64 = 86_400;

/// A safety net behind the notice of a shift's close; also what brings sales of an open shift up.
const DEFAULT_UNLOAD_PERIOD_SECS: u64 = 3600;

/// How often a till says that it is alive. Ten thousand tills are 170 reports a second then.
const DEFAULT_CONTACT_PERIOD_SECS: u64 = 60;

/// Longer than a server needs to start again, and than a person who looks why it does not answer.
const DEFAULT_ADDRESS_UNDO_PERIOD_SECS: u64 = 600;

impl TillSetting {
    /// Archives of exchanged data that are kept for so many days.
    pub const BACKUP_DAYS: Self = Self::number("actualcountdaysforbackupfiles", 0, MAX_BACKUP_DAYS, 30);
    /// New addresses of the server may be silent for so many seconds.
    pub const ADDRESS_UNDO_PERIOD: Self =
        Self::number("addressundoperiod", 1, MAX_PERIOD_SECS, DEFAULT_ADDRESS_UNDO_PERIOD_SECS);
    /// The link to the broker is looked at every so many seconds; 0: as the agent thinks best.
    pub const HEARTBEAT: Self = Self::number("brokerconnectionheartbeat", 0, MAX_HEARTBEAT_SECS, 0);
    /// The till says every so many seconds that it is alive.
    pub const CONTACT_PERIOD: Self = Self::number("contactperiod", 1, MAX_PERIOD_SECS, DEFAULT_CONTACT_PERIOD_SECS);
    /// Each step of a load is reported, not only its end.
    pub const REPORT_LOAD_STEPS: Self = Self::flag("isdebugdictstatussend", true);
    /// Unloadings of sales are reported.
    pub const REPORT_UNLOADS: Self = Self::flag("isdebugsalestatussend", true);
    /// Archives of exchanged data, at most so many.
    pub const BACKUP_FILES: Self = Self::number("maxcountbackupfiles", 0, MAX_BACKUP_FILES, 30);
    /// Objects in one message of the file queue.
    pub const CHUNK_OBJECTS: Self = Self::number("queuechunksize", 1, MAX_CHUNK_OBJECTS, 25_000);
    /// Sales are unloaded every so many seconds; 0: at shift close and on request only.
    pub const UNLOAD_PERIOD: Self = Self::number("unloadperiod", 0, MAX_PERIOD_SECS, DEFAULT_UNLOAD_PERIOD_SECS);
    /// At shift close the till tells the server, which then asks for sales.
    pub const UNLOAD_THROUGH_SERVER: Self = Self::flag("unloadsalesrequestthroughcs", true);
    /// Packages go through the file queue, not straight into the database.
    pub const THROUGH_QUEUE: Self = Self::flag("usequeueinupload", true);

    /// All of them, by key.
    pub const ALL: [Self; 11] = [
        Self::BACKUP_DAYS,
        Self::ADDRESS_UNDO_PERIOD,
        Self::HEARTBEAT,
        Self::CONTACT_PERIOD,
        Self::REPORT_LOAD_STEPS,
        Self::REPORT_UNLOADS,
        Self::BACKUP_FILES,
        Self::CHUNK_OBJECTS,
        Self::UNLOAD_PERIOD,
        Self::UNLOAD_THROUGH_SERVER,
        Self::THROUGH_QUEUE,
    ];

    const fn flag(key: &'static str, default: bool) -> Self {
        Self { key, form: SettingForm::Flag { default } }
    }

    const fn number(key: &'static str, least: u64, most: u64, default: u64) -> Self {
        Self { key, form: SettingForm::Number { least, most, default } }
    }

    /// The one of this key, in whatever letters.
    pub fn of_key(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|setting| setting.key.eq_ignore_ascii_case(key))
    }

    /// A value as it stands in the file; none where it is not allowed there.
    pub fn parse(&self, text: &str) -> Option<String> {
        match self.form {
            SettingForm::Flag { .. } => flag(text).map(flag_text),
            SettingForm::Number { least, most, .. } => {
                let number = text.parse::<u64>().ok().filter(|number| (least..=most).contains(number));
                number.map(|number| number.to_string())
            }
        }
    }

    /// What counts where nothing stands there.
    pub fn default_text(&self) -> String {
        match self.form {
            SettingForm::Flag { default } => flag_text(default),
            SettingForm::Number { default, .. } => default.to_string(),
        }
    }

    /// What may stand there, in English.
    pub fn allowed(&self) -> String {
        match self.form {
            SettingForm::Flag { .. } => "True or False".to_owned(),
            SettingForm::Number { least, most, .. } => format!("a whole number from {least} to {most}"),
        }
    }
}

/// A flag as `cash.ini` has it, in whatever letters.
pub fn flag(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

fn flag_text(flag: bool) -> String {
    if flag { "True" } else { "False" }.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_taken_as_it_stands_in_the_file_and_nothing_beyond_its_limits() {
        let chunk = TillSetting::of_key("QueueChunkSize").unwrap();
        assert_eq!(chunk.parse("0025000").as_deref(), Some("25000"));
        for wrong in ["0", "1000001", "-1", "1.5", "", "many", " 7"] {
            assert_eq!(chunk.parse(wrong), None, "{wrong}");
        }
        assert_eq!(chunk.allowed(), "a whole number from 1 to 1000000");
        let flag = TillSetting::THROUGH_QUEUE;
        assert_eq!(flag.parse("fAlSe").as_deref(), Some("False"));
        assert_eq!(flag.parse("no"), None);
    }

    #[test]
    fn every_default_is_allowed_and_keys_are_sorted() {
        for setting in TillSetting::ALL {
            assert_eq!(setting.parse(&setting.default_text()), Some(setting.default_text()), "{}", setting.key);
            assert_eq!(setting.key, setting.key.to_ascii_lowercase());
        }
        assert!(TillSetting::ALL.is_sorted_by_key(|setting| setting.key));
    }

    #[test]
    fn what_could_lock_a_till_out_is_no_setting_of_its_server() {
        for key in ["dept.broker.ip", "grpchostcs", "cash.secret", "cash.code", "uploadscript", "datafolder"] {
            assert_eq!(TillSetting::of_key(key), None, "{key}");
        }
    }
}
