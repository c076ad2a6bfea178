//! Structures are JSON objects. Serde takes arrays for them, too, with the fields in order; a client that sends one is mistaken.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

/// Reads a structure, which has to be an object.
///
/// # Errors
/// It is none, or not this structure's.
pub fn of<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<T, D::Error> {
    from.deserialize_map(Object(PhantomData))
}

/// Reads a structure, which has to be an object, or null.
///
/// # Errors
/// It is neither, or not this structure's.
pub fn or_null<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<T>, D::Error> {
    from.deserialize_option(Perhaps(PhantomData))
}

struct Object<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Object<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map))
    }
}

struct Perhaps<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Perhaps<T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or null")
    }

    fn visit_none<E>(self) -> Result<Option<T>, E> {
        Ok(None)
    }

    fn visit_unit<E>(self) -> Result<Option<T>, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<Option<T>, D::Error> {
        of(from).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use crate::tenant::{NewTenant, TenantChange};

    #[test]
    fn an_array_is_no_structure() {
        let change = |text: &str| {
            let mut from = serde_json::Deserializer::from_str(text);
            super::of::<_, TenantChange>(&mut from)
        };
        assert_eq!(change("{}").unwrap(), TenantChange::default());
        assert_eq!(change(r#"{"quotas": null}"#).unwrap(), TenantChange::default());
        assert_eq!(change(r#"{"quotas": {"jobs": 2}}"#).unwrap().quotas.unwrap().jobs, 2);
        for wrong in ["[null, null]", r#"{"quotas": []}"#, r#"{"grants": []}"#, r#"{"quotas": {}, "quotas": {}}"#] {
            assert!(change(wrong).is_err(), "{wrong}");
        }
        assert!(serde_json::from_str::<NewTenant>(r#"{"name": "x", "quotas": []}"#).is_err());
    }
}
