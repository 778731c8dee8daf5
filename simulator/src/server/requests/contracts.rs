//! Contract details.

use super::{Answer, Call, Event, Refusal, State, details, invalid, no_definition};
use crate::lifecycle::Wants;
use crate::market::catalog::Contract;
use crate::wire::pb;

impl Call<'_> {
    pub(super) fn contract_data(&self, state: &State, request: &pb::ContractDataRequest) {
        let req_id = request.req_id.unwrap_or(0);
        if let Some(refusal) = state.life.refusal(Wants::Details, 0) {
            return self.error(state, req_id, refusal);
        }
        let market = &self.core.market;
        let found = request.contract.as_ref().map(|wanted| market.catalog().find_at(wanted, self.now_s()));
        let found = found.unwrap_or_default();
        self.log(state, Event::ContractDetails { req_id, found: found.len() });
        if found.is_empty() {
            return self.error(state, req_id, no_definition());
        }
        for contract in found {
            let details = details::details(contract, market.hours(contract), self.now_s());
            let message = pb::ContractData {
                req_id: Some(req_id),
                contract: Some(details::contract(contract)),
                contract_details: Some(details),
            };
            self.answer(state, &Answer::ContractData(Box::new(message)));
        }
        self.answer(state, &Answer::ContractDataEnd(pb::ContractDataEnd { req_id: Some(req_id) }));
    }

    /// The one contract that a request for its data means.
    pub(super) fn one_contract(&self, wanted: &pb::Contract) -> Result<&Contract, Refusal> {
        if wanted.exchange.as_deref().unwrap_or_default().is_empty() {
            return Err(invalid("Please enter exchange"));
        }
        let mut found = self.core.market.catalog().find_at(wanted, self.now_s());
        // An id with the type of something else means nothing.
        if let Some(sec_type) = wanted.sec_type.as_deref().filter(|text| !text.is_empty()) {
            found.retain(|contract| contract.sec_type.eq_ignore_ascii_case(sec_type));
        }
        match found.as_slice() {
            [contract] => Ok(contract),
            [] => Err(no_definition()),
            _ => Err(Refusal { code: 200, text: "The contract description specified is ambiguous.".to_owned() }),
        }
    }
}
