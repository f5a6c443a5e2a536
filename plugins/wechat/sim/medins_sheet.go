package sim

// MedInsSheet is what the payer sees at the cashier of insurance before the password. Sums are fen.
type MedInsSheet struct {
	Merchant    string `json:"merchant"`    // whom the money goes to
	Description string `json:"description"` // of the self-paid part's trade; the institution's name without one
	Insured     int64  `json:"insured"`
	Cash        int64  `json:"cash"`
}

// OpenMedInsSheet is the payer's WeChat opening the cashier of insurance: it checks what PayMedIns checks and changes nothing.
func (s *Simulator) OpenMedInsSheet(p MedInsPay) (MedInsSheet, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, t, err := s.medInsPayable(p)
	if err != nil {
		return MedInsSheet{}, err
	}
	merchant := s.world.merchants[m.MchID]
	sheet := MedInsSheet{Merchant: merchant.Name, Insured: m.Insured, Cash: m.Cash}
	if sub := merchant.sub(m.SubMchID); sub != nil {
		sheet.Merchant = sub.Name
	}
	if sheet.Merchant == "" {
		sheet.Merchant = m.MchID
	}
	if t != nil {
		sheet.Description = t.Description
		return sheet, nil
	}
	if order, ok := decode([]byte(m.Echo)); ok {
		sheet.Description = order.text("med_inst_name")
	}
	return sheet, nil
}
