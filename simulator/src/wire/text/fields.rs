//! Fields of a body: reading and writing them one by one.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::io::Write;
use std::str::FromStr;

use super::super::pb;
use super::super::request::RequestError;
use super::super::tick::decimal;

/// Reads the fields of a body in order.
pub(super) struct Reader<'a> {
    /// Number of the message, for errors.
    pub(super) id: i32,
    fields: std::str::Split<'a, char>,
}

impl<'a> Reader<'a> {
    /// Reads the number of the message.
    pub(super) fn new(body: &'a str) -> Result<Self, RequestError> {
        // The last field ends with a NUL, too.
        let mut fields = body.strip_suffix('\0').unwrap_or(body).split('\0');
        let number = fields.next().and_then(|field| field.parse().ok());
        Ok(Self { id: number.ok_or(RequestError::Unknown(0))?, fields })
    }

    fn undecodable(&self) -> RequestError {
        RequestError::Undecodable(self.id)
    }

    fn next(&mut self) -> Result<&'a str, RequestError> {
        self.fields.next().ok_or_else(|| self.undecodable())
    }

    /// Passes over a field: the version of the message, or what is of no use here.
    pub(super) fn skip(&mut self) -> Result<(), RequestError> {
        self.next().map(drop)
    }

    pub(super) fn text(&mut self) -> Result<Option<String>, RequestError> {
        let field = self.next()?;
        Ok((!field.is_empty()).then(|| field.to_owned()))
    }

    pub(super) fn number<T: FromStr>(&mut self) -> Result<Option<T>, RequestError> {
        match self.next()? {
            "" => Ok(None),
            field => field.parse().map(Some).map_err(|_| self.undecodable()),
        }
    }

    /// A request id, which must be there.
    pub(super) fn req_id(&mut self) -> Result<i32, RequestError> {
        self.number()?.ok_or_else(|| self.undecodable())
    }

    pub(super) fn flag(&mut self) -> Result<Option<bool>, RequestError> {
        Ok(self.number::<i32>()?.map(|number| number != 0))
    }

    /// Options, as `tag=value;tag=value;`.
    pub(super) fn options(&mut self) -> Result<BTreeMap<String, String>, RequestError> {
        let pairs = self.next()?.split(';').filter(|pair| !pair.is_empty());
        pairs
            .map(|pair| pair.split_once('=').map(|(tag, value)| (tag.to_owned(), value.to_owned())))
            .collect::<Option<_>>()
            .ok_or_else(|| self.undecodable())
    }

    /// The twelve fields of a contract.
    pub(super) fn contract(&mut self) -> Result<pb::Contract, RequestError> {
        Ok(pb::Contract {
            con_id: self.number()?,
            symbol: self.text()?,
            sec_type: self.text()?,
            last_trade_date_or_contract_month: self.text()?,
            strike: self.number()?,
            right: self.text()?,
            multiplier: self.number()?,
            exchange: self.text()?,
            primary_exch: self.text()?,
            currency: self.text()?,
            local_symbol: self.text()?,
            trading_class: self.text()?,
            ..Default::default()
        })
    }

    /// The legs of a combination, of four fields each.
    pub(super) fn combo_legs(&mut self, contract: &mut pb::Contract) -> Result<(), RequestError> {
        if contract.sec_type.as_deref() != Some("BAG") {
            return Ok(());
        }
        for _ in 0..self.number::<u8>()?.unwrap_or_default() {
            contract.combo_legs.push(pb::ComboLeg {
                con_id: self.number()?,
                ratio: self.number()?,
                action: self.text()?,
                exchange: self.text()?,
                ..Default::default()
            });
        }
        Ok(())
    }
}

/// Writes the fields of a body in order.
pub(super) struct Writer(Vec<u8>);

impl Writer {
    pub(super) fn new(number: i32) -> Self {
        Self(Vec::new()).put(number)
    }

    /// A value that prints as it goes on the wire.
    pub(super) fn put(mut self, value: impl Display) -> Self {
        // Writing to a vector cannot fail.
        let _ = write!(self.0, "{value}\0");
        self
    }

    /// Zero when absent.
    pub(super) fn integer<T: Display + Default>(self, value: Option<T>) -> Self {
        self.put(value.unwrap_or_default())
    }

    /// Zero when absent.
    pub(super) fn double(self, value: Option<f64>) -> Self {
        self.double_or(value, 0.0)
    }

    pub(super) fn double_or(mut self, value: Option<f64>, absent: f64) -> Self {
        decimal(&mut self.0, value.unwrap_or(absent));
        self.0.push(0);
        self
    }

    pub(super) fn flag(self, value: Option<bool>) -> Self {
        self.put(u8::from(value.unwrap_or_default()))
    }

    /// Two flags as the lowest bits of a number.
    pub(super) fn mask(self, [first, second]: [Option<bool>; 2]) -> Self {
        self.put(u8::from(first.unwrap_or_default()) | u8::from(second.unwrap_or_default()) << 1)
    }

    /// Empty when absent. A NUL in it would end the field.
    pub(super) fn text(self, value: Option<&String>) -> Self {
        let value = value.map(String::as_str).unwrap_or_default();
        if value.contains('\0') { self.put(value.replace('\0', " ")) } else { self.put(value) }
    }

    /// As [`Self::text`], with what is not ASCII as `\uXXXX`: so are names and errors since version 153.
    pub(super) fn escaped(self, value: Option<&String>) -> Self {
        let escape = |unit: u16| match u8::try_from(unit) {
            Ok(byte) if byte.is_ascii() => char::from(byte).to_string(),
            _ => format!("\\u{unit:04x}"),
        };
        self.text(value.map(|value| value.encode_utf16().map(escape).collect()).as_ref())
    }

    /// The number of the items, then each.
    pub(super) fn list<T>(self, items: &[T], item: impl FnMut(Self, &T) -> Self) -> Self {
        items.iter().fold(self.put(items.len()), item)
    }

    pub(super) fn done(self) -> Vec<u8> {
        self.0
    }
}
