// A sample: what the pages of PayBridge need of a mini program's app.js is nothing. Keep your own.
App({
  globalData: {
    // The mini program that the payer came back from (scene 1038), for pages of yours that want to know. It proves nothing
    // about money: the gateway asks the provider.
    cameBackFrom: null,
  },

  onShow(options) {
    this.globalData.cameBackFrom = options && options.scene === 1038 ? (options.referrerInfo || null) : null;
  },
});
