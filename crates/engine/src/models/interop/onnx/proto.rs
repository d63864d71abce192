//! The part of ONNX's protocol buffers that a graph of ours needs (onnx/onnx.proto, IR version 10).
//!
//! Owns: the encoding. Written by hand: eleven messages that are only ever written take fewer lines than a compiler's
//! configuration, and no build needs one. Deliberately absent: reading.

/// Kinds of elements of a tensor (`TensorProto.DataType`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Element {
    Float = 1,
    Byte = 2,
    Integer = 7,
    Double = 11,
}

/// A message as it is encoded.
#[derive(Debug, Clone, Default)]
pub(super) struct Message(Vec<u8>);

impl Message {
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    fn varint(mut self, mut value: u64) -> Self {
        while value >= 0x80 {
            self.0.push((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
        self
    }

    /// A field of wire type 0.
    pub(super) fn int(self, field: u32, value: i64) -> Self {
        self.varint(u64::from(field << 3)).varint(value as u64)
    }

    /// A field of wire type 2.
    pub(super) fn bytes(self, field: u32, value: &[u8]) -> Self {
        let mut message = self.varint(u64::from(field << 3 | 2)).varint(value.len() as u64);
        message.0.extend_from_slice(value);
        message
    }

    pub(super) fn text(self, field: u32, value: &str) -> Self {
        self.bytes(field, value.as_bytes())
    }

    pub(super) fn message(self, field: u32, value: &Self) -> Self {
        self.bytes(field, &value.0)
    }

    fn ints(self, field: u32, values: &[i64]) -> Self {
        values.iter().fold(self, |message, &value| message.int(field, value))
    }
}

/// `TensorProto`.
pub(super) fn tensor(name: &str, element: Element, shape: &[usize], little_endian: &[u8]) -> Message {
    let dims: Vec<i64> = shape.iter().map(|&side| side as i64).collect();
    Message::default().ints(1, &dims).int(2, element as i64).text(8, name).bytes(9, little_endian)
}

/// `AttributeProto` of a whole number.
pub(super) fn int_attribute(name: &str, value: i64) -> Message {
    Message::default().text(1, name).int(3, value).int(20, 2)
}

/// `AttributeProto` of a list of whole numbers.
pub(super) fn ints_attribute(name: &str, values: &[i64]) -> Message {
    Message::default().text(1, name).ints(8, values).int(20, 7)
}

/// `AttributeProto` of a tensor.
pub(super) fn tensor_attribute(name: &str, value: &Message) -> Message {
    Message::default().text(1, name).message(5, value).int(20, 4)
}

/// `NodeProto`.
pub(super) fn node(
    op: &str,
    domain: &str,
    inputs: &[impl AsRef<str>],
    outputs: &[&str],
    attributes: &[Message],
) -> Message {
    let node = inputs.iter().fold(Message::default(), |node, input| node.text(1, input.as_ref()));
    let node = outputs.iter().fold(node, |node, output| node.text(2, output));
    let node = node.text(3, outputs.first().copied().unwrap_or_default()).text(4, op);
    let node = attributes.iter().fold(node, |node, attribute| node.message(5, attribute));
    if domain.is_empty() { node } else { node.text(7, domain) }
}

/// `ValueInfoProto` of a tensor with any number of rows, each with `width` values where there is one.
pub(super) fn value(name: &str, element: Element, width: Option<usize>) -> Message {
    let rows = Message::default().text(2, "rows");
    let shape = Message::default().message(1, &rows);
    let shape = match width {
        Some(width) => shape.message(1, &Message::default().int(1, width as i64)),
        None => shape,
    };
    let of_tensor = Message::default().int(1, element as i64).message(2, &shape);
    Message::default().text(1, name).message(2, &Message::default().message(1, &of_tensor))
}

/// `OperatorSetIdProto`.
pub(super) fn operators(domain: &str, version: i64) -> Message {
    Message::default().text(1, domain).int(2, version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_base_128_with_the_low_groups_first() {
        assert_eq!(Message::default().int(1, 150).into_bytes(), [0x08, 0x96, 0x01]);
        assert_eq!(Message::default().int(20, 1).into_bytes(), [0xa0, 0x01, 0x01]);
        let minus_one = Message::default().int(2, -1).into_bytes();
        assert_eq!((minus_one.len(), minus_one[10]), (11, 1));
    }

    #[test]
    fn texts_and_messages_carry_their_length() {
        let inner = Message::default().text(1, "ab");
        assert_eq!(Message::default().message(2, &inner).into_bytes(), [0x12, 4, 0x0a, 2, b'a', b'b']);
    }
}
