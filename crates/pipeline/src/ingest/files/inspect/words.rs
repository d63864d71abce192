//! What the name of a column speaks of.

/// The words of a column's name, in small letters.
#[derive(Debug, Clone)]
pub(super) struct Words(Vec<String>);

impl Words {
    /// Splits at case changes, digits and punctuation.
    pub fn of(name: &str) -> Self {
        let mut words = vec![String::new()];
        let mut before = ' ';
        for c in name.chars() {
            let new_word = !c.is_alphanumeric()
                || (before.is_lowercase() && c.is_uppercase())
                || before.is_numeric() != c.is_numeric();
            if new_word {
                words.push(String::new());
            }
            if c.is_alphanumeric()
                && let Some(word) = words.last_mut()
            {
                word.extend(c.to_lowercase());
            }
            before = c;
        }
        words.retain(|word| !word.is_empty());
        Self(words)
    }

    /// Whether one of `list` is among them.
    pub fn any(&self, list: &[&str]) -> bool {
        self.0.iter().any(|word| list.contains(&word.as_str()))
    }

    /// All of them together are one of `list`.
    pub fn are(&self, list: &[&str]) -> bool {
        list.contains(&self.0.join(" ").as_str())
    }

    /// Number of words.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the name is that of an id.
    pub fn is_id(&self) -> bool {
        self.any(&["id", "ids", "uuid", "guid", "key", "identifier", "number", "no", "nr", "code", "ref", "reference"])
            || self.0.last().is_some_and(|word| word.len() > 3 && word.ends_with("id"))
    }

    /// Whether the name is that of a person whom one may win.
    pub fn is_lead(&self) -> bool {
        self.any(&[
            "lead",
            "prospect",
            "mql",
            "sql",
            "contact",
            "customer",
            "client",
            "person",
            "user",
            "visitor",
            "member",
            "subscriber",
            "applicant",
            "buyer",
            "account",
        ])
    }

    /// Whether the name speaks of time.
    pub fn speak_of_time(&self) -> bool {
        self.any(&[
            "date",
            "datetime",
            "time",
            "timestamp",
            "at",
            "on",
            "created",
            "updated",
            "modified",
            "month",
            "period",
            "when",
            "ts",
            "yyyymm",
            "yyyymmdd",
            "day",
        ])
    }

    /// Whether the name speaks of the moment in which a lead came.
    pub fn speak_of_arrival(&self) -> bool {
        self.any(&[
            "created",
            "create",
            "creation",
            "first",
            "inquiry",
            "enquiry",
            "registered",
            "registration",
            "signup",
            "received",
            "submitted",
            "arrived",
            "added",
            "opened",
            "entered",
            "start",
        ])
    }

    /// Whether the name speaks of an end.
    pub fn speak_of_end(&self) -> bool {
        self.any(&["won", "closed", "close", "lost", "converted", "conversion", "signed", "end", "ended", "sold"])
    }
}

/// Whether two words are the same but for case.
pub(super) fn same_hint(a: &str, b: &str) -> bool {
    a.eq_ignore_ascii_case(b)
}
